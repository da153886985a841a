package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"riverqueue.com/riverui"

	"sluice.dev/sluice/ent/db"
	operatorweb "sluice.dev/sluice/protocol/operator"
	"sluice.dev/sluice/protocol/pages"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/platform"
)

// operators says who operates the platform; nobody without settings.
func (f *nodeFlags) operators() (login.Operators, error) {
	if len(f.Operators) == 0 && f.OperatorGroup == "" {
		return login.Operators{}, nil
	}
	var bad []error
	out := login.Operators{Issuer: f.OIDC.Issuer, Group: f.OperatorGroup}
	for _, given := range f.Operators {
		address := strings.ToLower(strings.TrimSpace(given))
		if a, err := mail.ParseAddress(address); err != nil || a.Address != address {
			bad = append(bad, fmt.Errorf("--operators %q is no e-mail address, for example ops@sluice.example", given))
		}
		out.Emails = append(out.Emails, address)
	}
	if f.OIDC.Issuer == "" {
		bad = append(bad, errors.New("--operators and --operator-group need a provider of the platform's; set --oidc-issuer and --oidc-client-id"))
	}
	if u, err := url.Parse(f.PublicURL); err == nil && u.Scheme == "http" && !f.development {
		bad = append(bad, fmt.Errorf("--operators and --operator-group need https, and --public-url is %q", f.PublicURL))
	}
	return out, errors.Join(bad...)
}

// operators are the pages of those who operate the platform: where nobody does,
// what any other path answers.
func (n *node) operators(people *pages.Pages, homeOf func(string) string) (http.Handler, error) {
	who, err := n.flags.operators()
	if err != nil || who.Issuer == "" {
		return http.NotFoundHandler(), err
	}
	jobs, err := n.river()
	if err != nil {
		return nil, err
	}
	log := audit.New(n.now)
	return operatorweb.New(operatorweb.Config{Sessions: people, Login: n.logins, Orgs: n.orgs, Platform: n.installation, Advisories: n.advisories, Jobs: jobs, Now: n.now,
		Record: func(ctx context.Context, c operatorweb.Change) error {
			return n.db.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
				return log.RecordPlatform(ctx, tx, c.Action, c.Object, c.Detail)
			})
		},
		Events: func(ctx context.Context, p operatorweb.LogPage) ([]audit.PlatformEvent, error) {
			return audit.PlatformEvents(ctx, n.db, p.Behind, p.Limit)
		},
		LoginAt: func(slug, host string) string {
			switch {
			case n.flags.Subdomains, n.flags.development:
				return homeOf(slug)
			case host != "":
				return "https://" + host
			}
			return ""
		}}), nil
}

// river is River's own interface. It begins to count jobs when somebody first
// looks at it, and ends with the node.
func (n *node) river() (http.Handler, error) {
	client, err := river.NewClient(riverpgxv5.New(n.db.Pool), &river.Config{Schema: db.RiverSchema})
	if err != nil {
		return nil, err
	}
	ui, err := riverui.NewHandler(&riverui.HandlerOpts{Endpoints: riverui.NewEndpoints(client, nil), Logger: slog.New(warnings{slog.Default().Handler()}),
		Prefix: operatorweb.Path + "/river"})
	if err != nil {
		return nil, fmt.Errorf("the queue's interface: %w", err)
	}
	start := sync.OnceValue(func() error { return ui.Start(n.life) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := start(); err != nil {
			slog.ErrorContext(r.Context(), "the queue's interface does not start", "error", err)
			http.Error(w, "the queue's interface does not start; the log has the details", http.StatusInternalServerError)
			return
		}
		ui.ServeHTTP(w, r)
	}), nil
}

// beat is what a node says of itself while it runs.
type beat struct {
	id      uuid.UUID
	started time.Time
	works   atomic.Bool
}

// beats says every five seconds that the node runs.
func (n *node) beats(ctx context.Context) {
	say := func() {
		if err := n.beatOnce(ctx); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "the node could not say that it runs; it tries again", "error", err)
		}
	}
	say()
	every(ctx, platform.BeatEvery, say)
}

func (n *node) beatOnce(ctx context.Context) error {
	return n.installation.Beat(ctx, platform.Node{ID: n.beat.id, Name: n.name(), Version: version, StartedAt: n.beat.started,
		Trusted: n.db.Feed.Trusted(), Works: n.beat.works.Load(), Memories: n.memories()})
}

// left says that the node has ended in good order.
func (n *node) left(ctx context.Context) {
	if err := n.installation.Left(ctx, n.beat.id); err != nil {
		slog.Debug("the node could not say that it ends; it will count as silent", "error", err)
	}
}

// name is what operators call the node.
func (n *node) name() string {
	if n.flags.NodeName != "" {
		return n.flags.NodeName
	}
	host, err := os.Hostname()
	if err != nil {
		return "unnamed"
	}
	return host
}

// memories counts what the node keeps.
func (n *node) memories() map[string]int {
	views, documents := n.gate.Kept()
	return map[string]int{"packages": views, "documents": documents, "organizations": n.access.Kept(), "sessions": n.logins.Kept()}
}
