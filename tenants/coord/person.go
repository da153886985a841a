package coord

// Person is somebody as package documents name them: npm's maintainers and
// owners. Both fields are as the person's organization writes them; the e-mail
// address is "" for tokens of services.
type Person struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}
