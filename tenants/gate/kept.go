package gate

// Kept returns how many views of packages are in memory, and how many documents
// of remotes are known. Both are estimates.
func (g *Gate) Kept() (views, documents int) {
	return g.views.EstimatedSize(), g.documents.EstimatedSize()
}
