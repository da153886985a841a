package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"sluice.dev/sluice/tenants/errs"
)

// Names are the database and the three roles that Sluice works with (T2, D3).
type Names struct {
	Database string // owned by Owner
	Owner    string // LOGIN: owns tables and functions, runs migrations; bound by row-level security where it is forced
	App      string // LOGIN: the nodes' role, which row-level security binds and which owns nothing
	All      string // NOLOGIN BYPASSRLS: owner of the SECURITY DEFINER functions that see every organization
}

// DefaultNames are the names in `sluice dev` and in the documentation.
func DefaultNames() Names {
	return Names{Database: "sluice", Owner: "sluice_owner", App: "sluice_app", All: "sluice_all"}
}

// identifier is what PostgreSQL takes without quotes: everything that a
// person later types into psql or a URL works as it is.
var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

func (n Names) validate() error {
	var all []error
	for _, f := range []struct{ field, value string }{
		{"Database", n.Database}, {"Owner", n.Owner}, {"App", n.App}, {"All", n.All},
	} {
		if !identifier.MatchString(f.value) {
			all = append(all, errs.New(errs.Invalid, "postgres.EnsureDatabase",
				"%s is %q; a name has 1 to 63 lower-case letters, digits and underscores and does not begin with a digit", f.field, f.value).On(f.field))
		}
	}
	if n.Owner == n.App || n.Owner == n.All || n.App == n.All {
		all = append(all, errs.New(errs.Invalid, "postgres.EnsureDatabase", "the three roles need three different names, not %s, %s and %s", n.Owner, n.App, n.All))
	}
	return errors.Join(all...)
}

// URLs are the two ways into a database. They contain passwords.
type URLs struct {
	Owner string // for migrations
	App   string // for everything else
}

// EnsureDatabase makes the database and the roles what Names says, and returns
// the two URLs. adminURL is a superuser's. The passwords of the login roles are
// random, kept in secrets as `<role>.password` with mode 0600, and made anew
// when the file is gone. It can be called any number of times, by several
// processes at once, and repairs attributes that were changed by hand.
func EnsureDatabase(ctx context.Context, adminURL string, n Names, secrets string) (URLs, error) {
	if err := n.validate(); err != nil {
		return URLs{}, err
	}
	if err := os.MkdirAll(secrets, 0o700); err != nil {
		return URLs{}, errs.Wrap(err, errs.Invalid, "postgres.EnsureDatabase", "the folder %s cannot hold passwords: %v", secrets, err)
	}
	conn, err := connectAdmin(ctx, adminURL, "")
	if err != nil {
		return URLs{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing depends on a clean goodbye
	// Roles are the cluster's, not the database's: concurrent callers meet.
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(hashtext('sluice: roles and databases'))`); err != nil {
		return URLs{}, dbErr(err)
	}
	e := ensurer{conn: conn, adminURL: adminURL, names: n, secrets: secrets}
	urls, err := e.ensure(ctx)
	if err != nil {
		return URLs{}, dbErr(err)
	}
	return urls, nil
}

type ensurer struct {
	conn     *pgx.Conn
	adminURL string
	names    Names
	secrets  string
}

func (e ensurer) ensure(ctx context.Context) (URLs, error) {
	// Every attribute is spelled out: a role that somebody made a superuser
	// must not stay one (T2).
	roles := []struct{ name, attributes string }{
		{e.names.All, "NOLOGIN NOSUPERUSER BYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION"},
		{e.names.Owner, "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION"},
		{e.names.App, "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION"},
	}
	for _, r := range roles {
		if err := e.role(ctx, r.name, r.attributes); err != nil {
			return URLs{}, err
		}
	}
	// Only who is a member may give a function to a role.
	if _, err := e.conn.Exec(ctx, fmt.Sprintf("GRANT %s TO %s", e.names.All, e.names.Owner)); err != nil {
		return URLs{}, err
	}
	if err := e.database(ctx); err != nil {
		return URLs{}, err
	}
	owner, err := e.login(ctx, e.names.Owner)
	if err != nil {
		return URLs{}, err
	}
	app, err := e.login(ctx, e.names.App)
	return URLs{Owner: owner, App: app}, err
}

func (e ensurer) role(ctx context.Context, name, attributes string) error {
	var exists bool
	if err := e.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, name).Scan(&exists); err != nil {
		return err
	}
	verb := "CREATE"
	if exists {
		verb = "ALTER"
	}
	_, err := e.conn.Exec(ctx, fmt.Sprintf("%s ROLE %s %s", verb, name, attributes))
	return err
}

// database creates it, gives it to the owner, and takes from everybody else
// what PostgreSQL grants to PUBLIC.
func (e ensurer) database(ctx context.Context) error {
	n := e.names
	var exists bool
	if err := e.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, n.Database).Scan(&exists); err != nil {
		return err
	}
	if !exists {
		// template0 and C: text compares by bytes, the same on every machine.
		_, err := e.conn.Exec(ctx, fmt.Sprintf("CREATE DATABASE %s OWNER %s TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'", n.Database, n.Owner))
		if err != nil {
			return err
		}
	}
	for _, q := range []string{
		fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", n.Database, n.Owner),
		fmt.Sprintf("REVOKE ALL ON DATABASE %s FROM PUBLIC", n.Database),
		fmt.Sprintf("GRANT CONNECT ON DATABASE %s TO %s", n.Database, n.App),
	} {
		if _, err := e.conn.Exec(ctx, q); err != nil {
			return err
		}
	}
	inside, err := connectAdmin(ctx, e.adminURL, n.Database)
	if err != nil {
		return err
	}
	defer inside.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing depends on a clean goodbye
	// PostgreSQL 14 lets everybody create tables in public, and its owner is
	// the superuser.
	for _, q := range []string{
		fmt.Sprintf("ALTER SCHEMA public OWNER TO %s", n.Owner),
		"REVOKE CREATE ON SCHEMA public FROM PUBLIC",
	} {
		if _, err := inside.Exec(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// login returns the role's URL, and sets its password when the one in the
// file does not open the database.
func (e ensurer) login(ctx context.Context, role string) (string, error) {
	password, err := readOrCreateSecret(filepath.Join(e.secrets, role+".password"))
	if err != nil {
		return "", err
	}
	u, err := withLogin(e.adminURL, role, password, e.names.Database)
	if err != nil {
		return "", err
	}
	if works, err := tryLogin(ctx, u); err != nil || works {
		return u, err
	}
	// rand.Text has no quotes, but the file may have been edited.
	if _, err := e.conn.Exec(ctx, fmt.Sprintf("ALTER ROLE %s PASSWORD %s", role, quote(password))); err != nil {
		return "", err
	}
	if works, err := tryLogin(ctx, u); err != nil || !works {
		return "", errors.Join(err, fmt.Errorf("the role %s cannot log in with its new password; pg_hba.conf may ask for another method", role))
	}
	return u, nil
}

// tryLogin reports whether the URL opens; a refused password is no error.
func tryLogin(ctx context.Context, u string) (bool, error) {
	conn, err := pgx.Connect(ctx, u)
	if err != nil {
		var pe *pgconn.PgError
		// 28P01 invalid_password; 28000 is what an unset password can give.
		if errors.As(err, &pe) && (pe.Code == "28P01" || pe.Code == "28000") {
			return false, nil
		}
		return false, err
	}
	return true, conn.Close(ctx)
}

// connectAdmin opens a superuser's connection, to another database when one is
// named, that keeps statements with passwords out of the server's log.
func connectAdmin(ctx context.Context, adminURL, database string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(adminURL)
	if err != nil {
		// pgx leaves the password out of this error.
		return nil, errs.Wrap(err, errs.Invalid, "postgres.EnsureDatabase", "the administrator's database URL is not valid: %v", err)
	}
	if database != "" {
		cfg.Database = database
	}
	cfg.RuntimeParams["log_min_error_statement"] = "panic"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "postgres.EnsureDatabase", "the database server does not answer: %v", err)
	}
	return conn, nil
}

// withLogin returns a URL with another role, password and database.
func withLogin(base, role, password, database string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "" {
		return "", errs.New(errs.Invalid, "postgres.EnsureDatabase", "the administrator's database URL must look like postgres://role:password@host:port/database")
	}
	u.User = url.UserPassword(role, password)
	u.Path = "/" + database
	return u.String(), nil
}

// quote makes an SQL string literal.
func quote(s string) string {
	out := []rune{'\''}
	for _, r := range s {
		if r == '\'' || r == '\\' {
			out = append(out, r)
		}
		out = append(out, r)
	}
	return "E" + string(append(out, '\''))
}

// dbErr keeps our own errors and makes the rest Unavailable.
func dbErr(err error) error {
	var own *errs.Error
	if errors.As(err, &own) {
		return err
	}
	return errs.Wrap(err, errs.Unavailable, "postgres.EnsureDatabase", "the database could not be prepared: %v", err)
}
