package fieldapp

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
	"gangwan/pb_migrations/fresh"
)

var clock = time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)

func serveApp(t *testing.T) (core.App, string) {
	t.Helper()
	app := fresh.App(t)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	now := func() time.Time { return clock }
	hooks.Bind(app, now)
	Bind(app, now)
	router, err := apis.NewRouter(app)
	ok(err)
	var mux http.Handler
	ok(app.OnServe().Trigger(&core.ServeEvent{App: app, Router: router}, func(e *core.ServeEvent) error {
		mux, err = e.Router.BuildMux()
		return err
	}))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return app, server.URL
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

func TestAnAddressInsideTheAppOpensTheAppAndAMissingAssetIsMissing(t *testing.T) {
	_, url := serveApp(t)
	_, page := get(t, url+"/")
	if !strings.Contains(page, "港湾") {
		t.Fatal("the bare address does not open the app")
	}
	assets, err := fs.Glob(built, "dist/assets/*.js")
	if err != nil || len(assets) == 0 {
		t.Fatal("no built assets:", err)
	}
	for _, c := range []struct {
		path, cache string
		status      int
		app         bool
	}{
		{"/", "no-cache", 200, true},
		{"/enterprises/0123456789abcde", "no-cache", 200, true},
		{"/sw.js", "no-cache", 200, false},
		{"/manifest.webmanifest", "no-cache", 200, false},
		{strings.TrimPrefix(assets[0], "dist"), "public, max-age=31536000, immutable", 200, false},
		{"/assets/of-an-older-build.js", "", 404, false},
		{"/api/no-such-call", "", 404, false},
		{"/../../etc/passwd.txt", "", 404, false},
	} {
		r, body := get(t, url+c.path)
		if r.StatusCode != c.status || c.status == 200 && r.Header.Get("Cache-Control") != c.cache || (body == page) != c.app {
			t.Errorf("%s: %d, cache %q, the app's page: %t", c.path, r.StatusCode, r.Header.Get("Cache-Control"), body == page)
		}
	}
	r, _ := get(t, url+"/")
	if !strings.Contains(r.Header.Get("Content-Security-Policy"), "default-src 'self'") {
		t.Error("the app may load what did not come with it")
	}
	again, err := http.NewRequest(http.MethodGet, url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	again.Header.Set("If-None-Match", r.Header.Get("ETag"))
	if same, err := http.DefaultClient.Do(again); err != nil || same.StatusCode != http.StatusNotModified {
		t.Errorf("asked again: %v %v", same, err)
	}
}

func TestAUserChangesThePasswordAndOlderSignInsEnd(t *testing.T) {
	app, url := serveApp(t)
	users, err := app.FindCollectionByNameOrId("users")
	if err != nil {
		t.Fatal(err)
	}
	user := core.NewRecord(users)
	for k, v := range map[string]any{"name": "小卢", "email": "worker@example.com", "password": "first-2026", "role": "grid_worker", "must_change_password": true, "verified": true} {
		user.Set(k, v)
	}
	if err := app.Save(user); err != nil {
		t.Fatal(err)
	}
	token, err := user.NewAuthToken()
	if err != nil {
		t.Fatal(err)
	}
	change := func(token, old, fresh string) (int, map[string]any) {
		t.Helper()
		body, _ := json.Marshal(map[string]string{"old": old, "new": fresh})
		req, err := http.NewRequest(http.MethodPost, url+"/api/account/password", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", token)
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(r.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, out
	}
	for _, c := range []struct{ token, old, fresh, code string }{
		{"", "first-2026", "second-2026", "unauthorized"},
		{token, "guess-2026", "second-2026", "wrong_password"},
		{token, "first-2026", "short", "password_length"},
		{token, "first-2026", "first-2026", "password_same"},
	} {
		if _, out := change(c.token, c.old, c.fresh); out["code"] != c.code {
			t.Errorf("%s → %s: %v", c.old, c.fresh, out)
		}
	}
	for range hooks.FreeForAccount - 1 {
		change(token, "guess-2026", "second-2026")
	}
	if _, out := change(token, "first-2026", "second-2026"); out["code"] != "slow_down" {
		t.Error("somebody with the phone in hand may guess on:", out)
	}
	clock = clock.Add(time.Minute)
	status, out := change(token, "first-2026", "second-2026")
	if status != http.StatusOK {
		t.Fatal(status, out)
	}
	if record := out["record"].(map[string]any); record["must_change_password"] != false || record["tokenKey"] != nil {
		t.Error(record)
	}
	if _, out := change(token, "second-2026", "third-2026"); out["code"] != "unauthorized" {
		t.Error("a sign-in made with the old password still holds:", out)
	}
	if status, out := change(out["token"].(string), "second-2026", "third-2026"); status != http.StatusOK {
		t.Error("the new sign-in does not hold:", out)
	}
}

func TestAfterAFewWrongPasswordsASignInMustWait(t *testing.T) {
	app, url := serveApp(t)
	users, err := app.FindCollectionByNameOrId("users")
	if err != nil {
		t.Fatal(err)
	}
	for email, mobile := range map[string]string{"guessed@example.com": "13900000001", "innocent@example.com": "13900000002"} {
		user := core.NewRecord(users)
		for k, v := range map[string]any{"name": "小卢", "email": email, "mobile": mobile, "password": "right-2026", "role": "grid_worker", "verified": true} {
			user.Set(k, v)
		}
		if err := app.Save(user); err != nil {
			t.Fatal(err)
		}
	}
	try := func(identity, password string) (int, string) {
		t.Helper()
		body, _ := json.Marshal(map[string]string{"identity": identity, "password": password})
		r, err := http.Post(url+"/api/collections/users/auth-with-password", "application/json", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		var out struct{ Code, Message string }
		_ = json.NewDecoder(r.Body).Decode(&out)
		return r.StatusCode, out.Code + " " + out.Message
	}
	for i := range hooks.FreeForAccount {
		identity := []string{"guessed@example.com", "13900000001"}[i%2] // both names are one account
		if status, said := try(identity, "wrong-2026"); status != http.StatusBadRequest {
			t.Fatalf("guess %d: %d %s", i, status, said)
		}
	}
	if status, said := try("guessed@example.com", "right-2026"); status != http.StatusTooManyRequests || !strings.Contains(said, "slow_down 密码输错次数较多") {
		t.Errorf("after the free guesses: %d %s", status, said)
	}
	for i := range hooks.FreeForAddress {
		try(fmt.Sprintf("nobody%d@example.com", i), "wrong-2026")
	}
	if status, _ := try("nobody@example.com", "wrong-2026"); status != http.StatusTooManyRequests {
		t.Error("an address that guesses at names may go on:", status)
	}
	if status, said := try("innocent@example.com", "right-2026"); status != http.StatusOK {
		t.Errorf("a colleague behind the same address is kept out: %d %s", status, said)
	}
	clock = clock.Add(time.Hour)
	if status, said := try("guessed@example.com", "right-2026"); status != http.StatusOK {
		t.Errorf("an hour later: %d %s", status, said)
	}
}
