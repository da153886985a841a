package graph_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/auditevent"
	"sluice.dev/sluice/tenants/access"
)

// What an answer may be besides a code: own is something of the asking
// organization or subject, empty a list or node without anything in it.
const (
	own      = "own"
	empty    = "empty"
	missing  = "NOT_FOUND"
	noRight  = "FORBIDDEN"
	nobody   = "UNAUTHENTICATED"
	wrongUse = "user error"
)

// reach says for each field what its example answers to the owner of another
// organization (T3), to a member who has no role on any registry, and to a
// reader of the registry team only.
var reach = map[string]struct{ foreigner, powerless, reader string }{
	"node":                 {missing, missing, missing},
	"nodes":                {empty, empty, empty},
	"viewer":               {own, own, own},
	"organization":         {own, own, noRight},
	"registry":             {missing, noRight, missing},
	"registries":           {empty, empty, empty},
	"remotes":              {empty, noRight, noRight},
	"package":              {missing, missing, missing},
	"packages":             {missing, missing, missing},
	"version":              {missing, missing, own},
	"explain":              {missing, missing, own},
	"holds":                {missing, missing, missing},
	"hold":                 {missing, missing, missing},
	"tombstones":           {missing, missing, missing},
	"cascade":              {missing, missing, missing},
	"advisory":             {own, noRight, own},
	"decisions":            {missing, missing, missing},
	"decision":             {missing, noRight, noRight},
	"auditEvents":          {missing, missing, missing},
	"blastRadius":          {missing, missing, missing},
	"members":              {own, own, noRight},
	"roles":                {own, own, noRight},
	"tokens":               {empty, empty, empty},
	"createFirewall":       {own, noRight, noRight},
	"createRegistry":       {missing, missing, missing},
	"updateRegistry":       {missing, missing, noRight},
	"deleteRegistry":       {missing, missing, missing},
	"undeleteRegistry":     {missing, missing, missing},
	"createRemote":         {own, noRight, noRight},
	"addUpstream":          {missing, noRight, noRight},
	"removeUpstream":       {missing, missing, missing},
	"reorderUpstreams":     {missing, missing, missing},
	"addRule":              {missing, missing, noRight},
	"updateRule":           {missing, missing, noRight},
	"removeRule":           {missing, missing, noRight},
	"quarantineVersion":    {missing, missing, missing},
	"quarantinePackage":    {missing, missing, missing},
	"quarantineRange":      {missing, missing, missing},
	"releaseHold":          {missing, missing, missing},
	"releaseVersion":       {missing, missing, missing},
	"deleteVersion":        {missing, missing, missing},
	"liftTombstone":        {missing, missing, missing},
	"createToken":          {missing, missing, noRight},
	"createServiceToken":   {missing, noRight, noRight},
	"revokeToken":          {missing, missing, missing},
	"approveStagedVersion": {missing, missing, missing},
	"deprecateVersions":    {missing, missing, missing},
	"dropStagedVersion":    {missing, missing, missing},
	"liftOwnership":        {missing, missing, missing},
	"promoteVersion":       {missing, missing, missing},
	"pushVersion":          {missing, missing, missing},
	"removeTag":            {missing, missing, missing},
	"setForwarding":        {missing, missing, missing},
	"setTag":               {missing, missing, missing},
	"unpublishVersions":    {missing, missing, missing},
	"uploadVersion":        {missing, missing, missing},
	"pullVersion":          {missing, missing, noRight},
	"pullLockfile":         {missing, missing, noRight},
	"setNameSwitch":        {missing, missing, noRight},
	"ownership":            {missing, missing, own},
	"pull":                 {missing, missing, own},
	"cascadeProgress":      {missing, missing, missing},

	"member":                   {missing, own, noRight},
	"team":                     {missing, own, noRight},
	"serviceAccount":           {missing, noRight, noRight}, // its tokens need token:manage
	"role":                     {missing, own, noRight},
	"actions":                  {own, own, noRight},
	"teams":                    {empty, own, noRight},
	"serviceAccounts":          {empty, own, noRight},
	"invitations":              {empty, noRight, noRight},
	"joinRequests":             {empty, noRight, noRight},
	"grants":                   {missing, missing, empty},
	"updateOrganization":       {own, noRight, noRight},
	"deleteOrganization":       {wrongUse, noRight, noRight},
	"transferOwnership":        {missing, noRight, noRight},
	"createMember":             {own, noRight, noRight},
	"deactivateMember":         {missing, noRight, noRight},
	"reactivateMember":         {missing, noRight, noRight},
	"inviteMember":             {missing, noRight, noRight},
	"resendInvitation":         {missing, noRight, noRight},
	"revokeInvitation":         {missing, noRight, noRight},
	"approveJoinRequest":       {missing, noRight, noRight},
	"refuseJoinRequest":        {missing, noRight, noRight},
	"createTeam":               {own, noRight, noRight},
	"updateTeam":               {missing, noRight, noRight},
	"deleteTeam":               {missing, noRight, noRight},
	"addTeamMember":            {missing, noRight, noRight},
	"removeTeamMember":         {missing, noRight, noRight},
	"createServiceAccount":     {missing, noRight, noRight},
	"updateServiceAccount":     {missing, noRight, noRight},
	"deactivateServiceAccount": {missing, noRight, noRight},
	"reactivateServiceAccount": {missing, noRight, noRight},
	"createRole":               {own, noRight, noRight},
	"updateRole":               {missing, noRight, noRight},
	"deleteRole":               {missing, noRight, noRight},
	"grantRole":                {missing, missing, noRight},
	"revokeRole":               {missing, missing, noRight},

	"advisories":             {own, noRight, own},
	"advisoryImports":        {own, noRight, own},
	"findings":               {missing, missing, missing},
	"scans":                  {empty, noRight, noRight},
	"cascades":               {missing, missing, missing},
	"auditChain":             {own, noRight, noRight},
	"verifyAudit":            {own, noRight, noRight},
	"hostNames":              {own, own, noRight},
	"hostProof":              {own, noRight, noRight},
	"bindHost":               {missing, missing, missing},
	"unbindHost":             {missing, noRight, noRight},
	"decisionRecorded":       {missing, noRight, noRight},
	"holdChanged":            {missing, noRight, missing},
	"pullProgress":           {missing, missing, own},
	"advisoryImportProgress": {own, noRight, own},
	"scanProgress":           {own, noRight, noRight},

	"trustRules":      {empty, empty, empty},
	"trustPresets":    {own, own, noRight},
	"testTrustRule":   {missing, missing, missing},
	"createTrustRule": {missing, missing, noRight},
	"updateTrustRule": {missing, missing, missing},
	"deleteTrustRule": {missing, missing, missing},
}

// TestT3_A5_WhoGetsWhat runs every example as everybody who must not get what
// the owner gets, and shows that nothing came of it.
func TestT3_A5_WhoGetsWhat(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	foreigner := w.member(w.theirs, "owner", access.Place{Role: access.Owner})
	powerless := w.member(w.ours, "powerless", access.Place{Role: access.Ordinary})
	reader := w.member(w.ours, "reader", access.Place{Role: access.Reader, Registry: s.team})
	events := func() int {
		return w.rows(w.ours, func(ctx context.Context, c *ent.Client) (int, error) {
			return c.AuditEvent.Query().Where(auditevent.ActionNEQ("token:create")).Count(ctx)
		})
	}
	before := events()
	for _, e := range examples(t) {
		if e.name == "leaveOrganization" {
			continue // everybody may: TestLeaveOrganization
		}
		want, ok := reach[e.name]
		if !ok {
			t.Errorf("%s: say here who gets what", e.name)
			continue
		}
		anonymous := nobody
		if e.name == "viewer" {
			anonymous = own
		}
		for _, c := range []struct {
			who  string
			ctx  context.Context
			want string
		}{
			{"the owner of another organization", foreigner, want.foreigner},
			{"a member without a role", powerless, want.powerless},
			{"a reader of another registry", reader, want.reader},
			{"nobody", w.anonymous(w.ours), anonymous},
			{"nobody elsewhere", w.anonymous(w.theirs), anonymous},
		} {
			var a answer
			if slices.Contains(streamFields(t), e.name) {
				a = w.open(c.ctx, e.query, e.with(t, s), c.want != own)
			} else {
				a = w.askWith(c.ctx, e.query, e.with(t, s), exampleFiles[e.name])
			}
			if got := a.shows(s, c.want); got != c.want {
				t.Errorf("%s for %s: %s, want %s: %s %v", e.name, c.who, got, c.want, a.Data, a.Errors)
			}
		}
	}
	if after := events(); after != before {
		t.Errorf("%d audit events were written by those who may change nothing", after-before)
	}
	if w.log.Len() > 0 {
		t.Errorf("refusals are no faults of ours: %s", w.log)
	}
}

// shows classifies an answer. An answer that names anything of the seeded
// organization is one only where it may be.
func (a answer) shows(s seeded, want string) string {
	if len(a.Errors) > 0 {
		return a.code()
	}
	text := string(a.Data)
	if strings.Contains(text, `"message":`) {
		return wrongUse
	}
	if want == own {
		return own
	}
	for word, id := range s.words {
		if strings.Contains(text, id) {
			return "shows " + word
		}
	}
	if strings.Contains(text, `"edges":[]`) || strings.Contains(text, `[null,null,null]`) {
		return empty
	}
	return text
}
