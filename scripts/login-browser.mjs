// Logs in with a real browser, and prints a line for each step: "ok …" or
// "FAIL …". Whatever a browser complains of fails too.
//
//   node login-browser.mjs PLAYWRIGHT_CORE CHROMIUM demonstration ADDRESS
//   node login-browser.mjs PLAYWRIGHT_CORE CHROMIUM dex ADDRESS
//   node login-browser.mjs PLAYWRIGHT_CORE CHROMIUM sibling ADDRESS
//
// ADDRESS is the platform's. The demonstration is that of `sluice dev`; for dex,
// Ana with the password "password" is a member of the organizations acme and
// globex, and globex has the demonstration's provider. The sibling is a page of a
// host below globex's, which browsers take for the same site: it attacks whoever
// looks at it.
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

const [core, executablePath, scenario, address] = process.argv.slice(2);
const { default: playwright } = await import(pathToFileURL(join(core, 'index.js')).href);
const browser = await playwright.chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const acme = `${address}/o/acme`;
const globex = `${address}/o/globex`;
let failed = false;
const step = (what, is) => {
  if (!is) failed = true;
  console.log(`${is ? 'ok' : 'FAIL'} ${what}`);
};

// window returns a page of a browser that knows nothing, and fails on whatever
// it complains of.
const window = async () => {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(30_000);
  // Chromium asks for a favicon by itself, which no page of ours has; dex's own
  // pages are not ours either.
  page.on('console', (m) => m.type() === 'error' && !m.location().url.endsWith('/favicon.ico') && page.url().startsWith(address) && step(`no complaint at ${page.url()}: ${m.text()}`, false));
  page.on('pageerror', (e) => step(`no error at ${page.url()}: ${e.message}`, false));
  return page;
};

// viewer asks the API who a token is.
const viewer = async (home, token) => {
  const answer = await fetch(`${home}/graphql`, { method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` }, body: '{"query":"{ viewer { name } }"}' });
  return answer.status === 200 ? (await answer.json()).data.viewer.name : String(answer.status);
};

const loggedIn = async (page, home) => {
  await page.goto(`${home}/account/sessions`);
  return page.url() === `${home}/account/sessions`;
};

const logOut = async (page, home) => {
  await page.goto(`${home}/account/sessions`);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByText(/Log in/).first().waitFor(); // by way of the provider, where it has one
  step(`logging out at ${home.slice(address.length + 3)} ends the session`, !(await loggedIn(page, home)));
};

// tokenPage makes a token, uses it and revokes it.
const tokenPage = async (page, home, other, who) => {
  await page.goto(`${home}/account/tokens`);
  await page.getByLabel('Name', { exact: true }).fill('browser');
  await page.getByRole('button', { name: 'Make the token' }).click();
  const token = await page.locator('#secret').innerText();
  step('the token page makes a token', /^sluice_[0-9A-Za-z]{36}$/.test(token));
  step(`the API knows it as ${who}'s`, (await viewer(home, token)) === who);
  step('the other organization does not know it', (await viewer(other, token)) === '401');
  await page.getByRole('button', { name: 'Revoke the token browser' }).click();
  await page.getByText('None.').waitFor();
  step('revoking it ends it', (await viewer(home, token)) === '401');
};

const cookies = async (page, home) => {
  const all = (await page.context().cookies()).filter((c) => c.name.startsWith('sluice-session') && home.endsWith(c.path));
  step('its cookie is bound to the path and out of reach of scripts', all.length === 1 && all[0].httpOnly && all[0].sameSite === 'Lax' && (await page.evaluate(() => document.cookie)) === '');
};

// ownProvider logs in at globex by its own provider.
const ownProvider = async (page, name) => {
  await page.goto(`${globex}/account/tokens`);
  step('nobody is logged in at globex: it leads to its login page', page.url().startsWith(`${globex}/login?`));
  await page.getByRole('link', { name: 'Log in with Globex staff' }).click();
  await page.getByRole('button', { name }).click();
  await page.getByRole('heading', { name: 'Tokens', exact: true }).waitFor();
  step(`${name} logs in by globex's own provider, and is at the page that was wanted`, page.url() === `${globex}/account/tokens`);
};

const scenarios = {
  async demonstration() {
    const page = await window();
    await ownProvider(page, 'Gwen Globex');
    await tokenPage(page, globex, acme, 'gwen@globex.example');
    await page.goto(`${globex}/account/sessions`);
    step('there is one session', (await page.getByText('this one').count()) === 1);
    await cookies(page, globex);
    step('it opens nothing at acme', !(await loggedIn(page, acme)));
    await logOut(page, globex);

    const sam = await window();
    await sam.goto(`${address}/login`);
    await sam.getByRole('link', { name: /Log in with/ }).click();
    await sam.getByRole('button', { name: /Sam Consultant/ }).click();
    await sam.getByRole('heading', { name: 'Choose an organization' }).waitFor();
    step('Sam, by the platform\'s provider, chooses between two organizations', (await sam.locator('.choices a').count()) === 2);
    await sam.getByRole('link', { name: 'Acme' }).click();
    await sam.getByRole('heading', { name: 'Sessions' }).waitFor();
    step('Acme lets Sam in', sam.url() === `${acme}/account/sessions`);
    await logOut(sam, acme);

    const nora = await window();
    await nora.goto(`${address}/login`);
    await nora.getByRole('link', { name: /Log in with/ }).click();
    await nora.getByRole('button', { name: /Nora Nobody/ }).click();
    await nora.getByText('No organization knows you').waitFor();
    step('Nora, a member of nothing, learns of no organization', (await nora.locator('.choices a').count()) === 0);
  },
  async dex() {
    const page = await window();
    await page.goto(`${address}/login`);
    await page.getByRole('link', { name: 'Log in with dex' }).click();
    await page.locator('input[name=login]').fill('ana@acme.example');
    await page.locator('input[name=password]').fill('wrong');
    await page.locator('button[type=submit]').click();
    await page.getByText(/Invalid/).waitFor();
    step('dex refuses a wrong password', !page.url().startsWith(address));
    await page.locator('input[name=login]').fill('ana@acme.example');
    await page.locator('input[name=password]').fill('password');
    await page.locator('button[type=submit]').click();
    await page.getByRole('heading', { name: 'Choose an organization' }).waitFor();
    step('Ana logs in by dex, and chooses between two organizations', (await page.locator('.choices a').count()) === 2);
    await page.goto(`${acme}/account/sessions`);
    step('the choice alone is no session', page.url().startsWith(`${acme}/login?`));
    await page.goBack();
    await page.getByRole('link', { name: /acme/i }).click();
    await page.getByRole('heading', { name: 'Sessions' }).waitFor();
    step('acme lets Ana in', page.url() === `${acme}/account/sessions`);
    await cookies(page, acme);
    await tokenPage(page, acme, globex, 'ana@acme.example');
    step('the session opens nothing at globex', !(await loggedIn(page, globex)));
    await ownProvider(page, 'Gil Globex');
    await page.goto(`${globex}/account/sessions`);
    step('the same browser is Gil at globex', (await page.getByText('gil@globex.example').count()) > 0);
    await page.goto(`${acme}/account/sessions`);
    step('and Ana at acme', (await page.getByText('ana@acme.example').count()) > 0);
    await logOut(page, globex);
    step('which leaves Ana at acme', await loggedIn(page, acme));
    await logOut(page, acme);
  },
};

// hostile is a page that attacks globex's host when it is looked at. Each line of
// its text is an attack that got in.
const hostile = (home) => `<!doctype html><title>hostile</title><pre id="got"></pre><p id="done"></p>
<iframe name="sink"></iframe><iframe id="frame" src="${home}/account/sessions"></iframe>
<form id="logout" method="post" action="${home}/logout" target="sink"><input name="form" value=""></form>
<form id="others" method="post" action="${home}/account/sessions" target="sink"><input name="form" value=""><input name="others" value="1"></form>
<form id="token" method="post" action="${home}/account/tokens" target="sink"><input name="form" value=""><input name="name" value="stolen"><input name="days" value="7"></form>
<form id="text" method="post" enctype="text/plain" action="${home}/graphql" target="sink"><input name='{"query":"mutation { createToken(input: {name: \\"stolen\\"}) { secret } }","x":"' value='"}'></form>
<script>
const got = (line) => { document.getElementById('got').textContent += line + '; '; };
const mutation = JSON.stringify({ query: 'mutation { createToken(input: {name: "stolen"}) { secret } }' });
(async () => {
  for (const id of ['logout', 'others', 'token', 'text']) {
    const sunk = new Promise((r) => document.getElementsByName('sink')[0].addEventListener('load', r, { once: true }));
    document.getElementById(id).submit();
    await Promise.race([sunk, new Promise((r) => setTimeout(r, 2000))]);
  }
  const tries = {
    'reading the sessions': [home('/account/sessions'), { credentials: 'include' }],
    'a GraphQL request by fetch': [home('/graphql'), { method: 'POST', credentials: 'include', headers: { 'Content-Type': 'application/json' }, body: mutation }],
    'a GraphQL request by GET': [home('/graphql?query=%7Bviewer%7Bname%7D%7D'), { credentials: 'include' }],
  };
  for (const [what, [url, init]] of Object.entries(tries)) {
    try { got(what + ': ' + (await (await fetch(url, init)).text()).slice(0, 80)); } catch { /* as it must be */ }
  }
  await fetch(home('/graphql'), { method: 'POST', mode: 'no-cors', credentials: 'include', headers: { 'Content-Type': 'text/plain' }, body: mutation }).catch(() => {});
  await fetch(home('/logout'), { method: 'POST', mode: 'no-cors', credentials: 'include' }).catch(() => {});
  await new Promise((r) => { const i = new Image(); i.onload = i.onerror = r; i.src = home('/graphql?query=' + encodeURIComponent('mutation { createToken(input: {name: "stolen"}) { secret } }')); });
  try { if (document.getElementById('frame').contentDocument) got('looking into a frame'); } catch { /* as it must be */ }
  document.getElementById('done').textContent = 'done';
})();
function home(path) { return ${JSON.stringify(home)} + path; }
</script>`;

scenarios.sibling = async () => {
  const port = new URL(address).port;
  const home = `http://globex.localhost:${port}`;
  const page = await window();
  await page.goto(`${home}/account/tokens`);
  await page.getByRole('link', { name: 'Log in with Globex staff' }).click();
  await page.getByRole('button', { name: 'Gil Globex' }).click();
  await page.getByRole('heading', { name: 'Tokens', exact: true }).waitFor();
  step('Gil logs in at globex\'s own host', page.url() === `${home}/account/tokens`);
  const before = (await page.context().cookies(home)).find((c) => c.name === 'sluice-session')?.value;

  const server = createServer((_, answer) => answer.setHeader('Content-Type', 'text/html').end(hostile(home)));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sibling = `http://evil.globex.localhost:${server.address().port}`;
  const other = await page.context().newPage(); // its complaints are the browser's refusals
  try {
    await other.goto(sibling);
    await other.getByText('done', { exact: true }).waitFor();
    const got = await other.locator('#got').innerText();
    step(`a page at evil.globex.localhost reads nothing of globex by fetch or frame${got && `: ${got}`}`, got === '');
    step('its forms and requests do not log Gil out', await loggedIn(page, home));
    await page.goto(`${home}/account/tokens`);
    step('they make no token', (await page.getByText('stolen').count()) === 0 && (await page.getByText('None.').count()) === 1);

    await other.evaluate(() => { document.cookie = 'sluice-session=' + 'A'.repeat(43) + '; Domain=globex.localhost; Path=/'; });
    const tossed = (await page.context().cookies(home)).filter((c) => c.name === 'sluice-session');
    await page.goto(`${home}/account/sessions`);
    step('a cookie that it tosses gives Gil no other session', tossed.length === 2 && page.url().startsWith(`${home}/login?`));
    await page.context().clearCookies({ domain: '.globex.localhost' });
    step('and leaves the own one as it was', (await loggedIn(page, home)) && before === (await page.context().cookies(home)).find((c) => c.name === 'sluice-session')?.value);
  } finally {
    server.close();
  }
};

try {
  await scenarios[scenario]();
} catch (e) {
  step(String(e).split('\n').slice(0, 3).join(' '), false);
} finally {
  await browser.close();
}
process.exit(failed ? 1 : 0);
