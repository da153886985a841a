package org

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/hostname"
	"sluice.dev/sluice/ent/registry"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// MaxHosts bounds the host names of one organization.
const MaxHosts = 100

// HostName is a host of the organization's own.
type HostName struct {
	Host      string
	Registry  uuid.UUID // the registry at its root; uuid.Nil when the organization is
	CreatedAt time.Time
}

// TXT looks up the text records of a DNS name. [net.Resolver.LookupTXT] is one.
type TXT func(ctx context.Context, name string) ([]string, error)

// Hosts binds host names to the context's organization. A host needs proof in
// DNS and may not lie under the platform's domain (law T6).
type Hosts struct {
	db       *db.DB
	audit    *audit.Log
	now      func() time.Time
	platform []string
	txt      TXT
}

// NewHosts returns the service. Platform lists the base domains under which the
// organizations' own subdomains lie, without ports.
func NewHosts(d *db.DB, log *audit.Log, now func() time.Time, platform []string, txt TXT) *Hosts {
	return &Hosts{db: d, audit: log, now: now, platform: platform, txt: txt}
}

// Proof returns the DNS name and the text record there that prove to this
// organization that the host is its own.
func (h *Hosts) Proof(ctx context.Context, host string) (name, record string, err error) {
	id, err := scope.Org(ctx)
	if err != nil {
		return "", "", err
	}
	if host, err = h.check(host); err != nil {
		return "", "", err
	}
	return "_sluice." + host, "sluice-organization=" + id.String(), nil
}

// Bind gives a host to the organization, or to one of its registries, which
// then sits at the host's root. Binding the same again changes nothing; a host
// that is bound otherwise is a Conflict, which does not say to whom (T3).
func (h *Hosts) Bind(ctx context.Context, host string, reg uuid.UUID) (HostName, error) {
	name, record, err := h.Proof(ctx, host)
	if err != nil {
		return HostName{}, err
	}
	host = strings.TrimPrefix(name, "_sluice.")
	if err := h.prove(ctx, name, record); err != nil {
		return HostName{}, err
	}
	var out HostName
	err = h.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = h.bind(ctx, tx, host, reg)
		return err
	})
	if _, ok := db.IsUnique(err); ok {
		return HostName{}, errs.New(errs.Conflict, "org.Bind", "the host %q is bound already; unbind it first", host).On("host")
	}
	return out, err
}

func (h *Hosts) bind(ctx context.Context, tx *db.Tx, host string, reg uuid.UUID) (HostName, error) {
	have, err := tx.Ent.HostName.Query().Where(hostname.Host(host)).Only(ctx)
	if err == nil && readHost(have).Registry == reg {
		return readHost(have), nil
	}
	if err == nil {
		return HostName{}, errs.New(errs.Conflict, "org.Bind", "the host %q is bound already; unbind it first", host).On("host")
	}
	if !ent.IsNotFound(err) {
		return HostName{}, err
	}
	if n, err := tx.Ent.HostName.Query().Count(ctx); err != nil || n >= MaxHosts {
		return HostName{}, errors.Join(err, errs.New(errs.Conflict, "org.Bind", "the organization has %d host names; at most %d are allowed", n, MaxHosts))
	}
	c := tx.Ent.HostName.Create().SetHost(host).SetCreatedAt(h.now())
	if reg != uuid.Nil {
		live, err := tx.Ent.Registry.Query().Where(registry.ID(reg), registry.DeletedAtIsNil()).Exist(ctx)
		if err != nil {
			return HostName{}, err
		}
		if !live {
			return HostName{}, errs.New(errs.NotFound, "org.Bind", "the registry does not exist").On("registry")
		}
		c.SetRegistryID(reg)
	}
	made, err := c.Save(ctx)
	if err != nil {
		return HostName{}, err
	}
	return readHost(made), h.changed(ctx, tx, audit.Event{Action: "host:bind", ObjectType: "host", ObjectID: host, Registry: reg})
}

// Unbind takes a host away. One that is not bound here is NotFound.
func (h *Hosts) Unbind(ctx context.Context, host string) error {
	host = CanonicalHost(host)
	return h.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Ent.HostName.Delete().Where(hostname.Host(host)).Exec(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			return errs.New(errs.NotFound, "org.Unbind", "the host %q is not bound to this organization", host).On("host")
		}
		return h.changed(ctx, tx, audit.Event{Action: "host:unbind", ObjectType: "host", ObjectID: host})
	})
}

// List returns the organization's host names, by name.
func (h *Hosts) List(ctx context.Context) (out []HostName, err error) {
	err = h.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Ent.HostName.Query().Order(ent.Asc(hostname.FieldHost)).All(ctx)
		for _, r := range rows {
			out = append(out, readHost(r))
		}
		return err
	})
	return out, err
}

func (h *Hosts) changed(ctx context.Context, tx *db.Tx, e audit.Event) error {
	id, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	tx.Changed(db.Change{Kind: db.Host, Org: id})
	return h.audit.Record(ctx, tx, e)
}

func (h *Hosts) check(host string) (string, error) {
	wrong := func(format string, args ...any) (string, error) {
		return "", errs.New(errs.Invalid, "org.Bind", format, args...).On("host")
	}
	c := CanonicalHost(host)
	if c == "" {
		return wrong("%q is not a host name; give one without scheme, port and path, for example npm.acme.example", host)
	}
	for _, base := range h.platform {
		base = strings.ToLower(strings.TrimSuffix(base, "."))
		if c == base || strings.HasSuffix(c, "."+base) {
			return wrong("%q lies under the platform's own domain %s, where subdomains are organizations", c, base)
		}
	}
	return c, nil
}

func (h *Hosts) prove(ctx context.Context, name, record string) error {
	got, err := h.txt(ctx, name)
	var dns *net.DNSError
	if err != nil && !(errors.As(err, &dns) && dns.IsNotFound) {
		return errs.Wrap(err, errs.Unavailable, "org.Bind", "DNS did not answer for %s; try again", name).On("host")
	}
	if slices.Contains(got, record) {
		return nil
	}
	return errs.New(errs.Invalid, "org.Bind", "the host is not proved: add the DNS TXT record %q at %s and try again (it may take a while to spread)", record, name).On("host")
}

func readHost(h *ent.HostName) HostName {
	out := HostName{Host: h.Host, CreatedAt: h.CreatedAt}
	if h.RegistryID != nil {
		out.Registry = *h.RegistryID
	}
	return out
}
