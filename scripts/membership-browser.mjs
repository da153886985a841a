// Goes through the pages that lead to a membership with a real browser:
// node membership-browser.mjs PLAYWRIGHT_CORE CHROMIUM ADDRESS INVITATION REVOKED NPM_LOGIN
// where ADDRESS is the platform's, with the demonstration's people, and the rest
// are links of the organization acme. Whatever a browser complains of, a field
// without a name, and a page that is wider than a telephone is an error. With
// SLUICE_TEST_SHOTS, a picture of every page goes into that folder.
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

const [core, executablePath, at, invitation, revoked, npmLogin] = process.argv.slice(2);
const shots = process.env.SLUICE_TEST_SHOTS;
const { default: playwright } = await import(pathToFileURL(join(core, 'index.js')).href);
const browser = await playwright.chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const complaints = [];
const expect = (what, is) => {
  if (!is) complaints.push(`expected: ${what}`);
};

// person is a browser of somebody's own. Statuses that say no are no complaint:
// the pages are looked at.
const person = async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on('console', (m) => m.type() === 'error' && !/favicon\.ico$/.test(m.location().url) && !/status of 4\d\d/.test(m.text()) && complaints.push(`${page.url()}: ${m.text()}`));
  page.on('pageerror', (e) => complaints.push(`${page.url()}: ${e.message}`));
  return page;
};

// look checks a page at two widths, and keeps pictures of it.
const look = async (page, name) => {
  for (const [width, height] of [[1100, 800], [360, 740]]) {
    await page.setViewportSize({ width, height });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    if (wide > width) complaints.push(`${name}: ${wide} pixels wide at ${width}`);
    if (shots) await page.screenshot({ path: join(shots, `${name}-${width}.png`), fullPage: true });
  }
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll('input:not([type=hidden]),select,textarea')].filter((e) => !e.labels?.length && !e.ariaLabel).map((e) => e.outerHTML),
  );
  for (const html of nameless) complaints.push(`${name}: a field without a label: ${html}`);
  expect(`${name}: one heading`, (await page.locator('h1').count()) === 1);
  expect(`${name}: a language`, (await page.locator('html[lang=en]').count()) === 1);
};
const choose = async (page, who) => page.getByRole('button', { name: who }).click();
const byPlatform = async (page) => page.getByRole('link', { name: 'Log in with a demonstration account' }).click();

try {
  // Sam gets Nora's invitation, and cannot accept it.
  const sam = await person();
  await sam.goto(revoked);
  await look(sam, 'invitation-revoked');
  await sam.goto(invitation);
  await look(sam, 'invitation');
  await byPlatform(sam);
  await choose(sam, /Sam Consultant/);
  await sam.getByText('you are logged in as').waitFor();
  await look(sam, 'invitation-of-somebody-else');
  await sam.getByRole('button', { name: 'Use another account' }).click();
  await sam.getByRole('link', { name: 'Log in with a demonstration account' }).waitFor();

  // Nora accepts it.
  const nora = await person();
  await nora.goto(invitation);
  await byPlatform(nora);
  await choose(nora, /Nora Nobody/);
  await nora.getByRole('button', { name: 'Accept the invitation' }).waitFor();
  await look(nora, 'invitation-ask');
  await nora.getByRole('button', { name: 'Accept the invitation' }).click();
  await nora.getByRole('heading', { name: 'Sessions', exact: true }).waitFor();
  await look(nora, 'sessions');
  await sam.goto(invitation);
  await look(sam, 'invitation-used');

  // She makes a token with limits, after a mistake.
  await nora.getByRole('link', { name: 'Tokens' }).click();
  await nora.getByLabel('Name', { exact: true }).fill('release');
  await nora.getByLabel('read and write: publish too, where you may').check();
  await nora.getByLabel('Packages that it may write').fill('@acme/*\nwidgets');
  await nora.getByLabel('Networks that it may come from').fill('here');
  await nora.getByRole('button', { name: 'Make the token' }).click();
  await nora.getByText('is no network').waitFor();
  await look(nora, 'token-mistake');
  expect('what was typed', (await nora.getByLabel('Packages that it may write').inputValue()) === '@acme/*\nwidgets');
  await nora.getByLabel('Networks that it may come from').fill('127.0.0.0/8');
  await nora.getByRole('button', { name: 'Make the token' }).click();
  expect('a token', /^sluice_[0-9A-Za-z]{36}$/.test(await nora.locator('#secret').innerText()));
  await look(nora, 'token-made');

  // She asks Globex to let her in.
  await nora.goto(`${at}/o/globex/login`);
  await look(nora, 'login');
  await nora.getByRole('link', { name: 'Ask to join' }).click();
  await look(nora, 'join');
  await byPlatform(nora);
  await nora.getByLabel('Who you are and why you ask').fill('I build the release pipeline.');
  await look(nora, 'join-ask');
  await nora.getByRole('button', { name: 'Ask to join' }).click();
  await nora.getByText('is with the administrators').waitFor();
  await look(nora, 'join-asked');

  // She makes an organization of her own, after a mistake.
  await nora.goto(`${at}/login`);
  await look(nora, 'organizations');
  await nora.getByRole('link', { name: 'Make a new organization' }).click();
  await look(nora, 'sign-up');
  await nora.getByLabel('Short name').fill('admin');
  await nora.getByRole('button', { name: 'Make the organization' }).click();
  await nora.getByText('reserved for the platform').waitFor();
  await look(nora, 'sign-up-mistake');
  await nora.getByLabel('Short name').fill('umbrella');
  await nora.getByRole('button', { name: 'Make the organization' }).click();
  await nora.getByRole('heading', { name: 'The organization is made' }).waitFor();
  await look(nora, 'signed-up');
  await nora.waitForURL(`${at}/o/umbrella/account/sessions`); // by way of the provider
  expect('an owner', (await nora.getByRole('link', { name: "Everybody's" }).count()) === 1);

  // Ada lets npm in: she is sent to log in, and comes back.
  const ada = await person();
  await ada.goto(npmLogin);
  await look(ada, 'npm-login');
  await ada.getByRole('link', { name: 'Log in' }).click();
  await byPlatform(ada);
  await choose(ada, /Ada Admin/);
  await ada.getByRole('button', { name: 'Let npm use a token for team-a' }).waitFor();
  await look(ada, 'npm-login-ask');
  await ada.getByRole('button', { name: 'Let npm use a token for team-a' }).click();
  await ada.getByRole('heading', { name: 'You are logged in' }).waitFor();
  await look(ada, 'npm-login-done');
} catch (e) {
  complaints.push(String(e));
} finally {
  await browser.close();
}
for (const c of complaints) console.error(c);
process.exit(complaints.length === 0 ? 0 : 1);
