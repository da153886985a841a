// Logs in with a real browser: node login-browser.mjs PLAYWRIGHT_CORE CHROMIUM ADDRESS
// where ADDRESS is an organization's own, whose login page offers the
// demonstration's provider. Whatever a browser complains of is an error.
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

const [core, executablePath, home] = process.argv.slice(2);
const { default: playwright } = await import(pathToFileURL(join(core, 'index.js')).href);
const browser = await playwright.chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const complaints = [];
const expect = (what, is) => {
  if (!is) complaints.push(`expected: ${what}`);
};
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  // Chromium asks for a favicon by itself, which no page of ours has.
  page.on('console', (m) => m.type() === 'error' && !m.location().url.endsWith('/favicon.ico') && complaints.push(`${page.url()}: ${m.text()}`));
  page.on('pageerror', (e) => complaints.push(`${page.url()}: ${e.message}`));

  await page.goto(`${home}/account/tokens`);
  expect('nobody is logged in', page.url().startsWith(`${home}/login?`));
  await page.getByRole('link', { name: 'Log in with Globex staff' }).click();
  await page.getByRole('button', { name: /Gwen Globex/ }).click();
  await page.getByRole('heading', { name: 'Tokens', exact: true }).waitFor();
  expect('the page that was wanted', page.url() === `${home}/account/tokens`);

  await page.getByLabel('Name', { exact: true }).fill('browser');
  await page.getByRole('button', { name: 'Make the token' }).click();
  expect('a token', /^sluice_[0-9A-Za-z]{36}$/.test(await page.locator('#secret').innerText()));
  await page.getByRole('button', { name: 'Revoke the token browser' }).click();
  await page.getByText('None.').waitFor();

  await page.getByRole('link', { name: 'Sessions' }).click();
  expect('one session', (await page.getByText('this one').count()) === 1);
  const cookies = (await page.context().cookies()).filter((c) => c.name.startsWith('sluice-session'));
  expect('one cookie, bound to the path and out of reach of scripts', cookies.length === 1 && cookies[0].httpOnly && cookies[0].sameSite === 'Lax' && home.endsWith(cookies[0].path));
  expect('no cookie for scripts', (await page.evaluate(() => document.cookie)) === '');

  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL(`${home}/login`); // by way of the provider
  await page.goto(`${home}/account/sessions`);
  expect('nobody is logged in any more', page.url().startsWith(`${home}/login?`));
} catch (e) {
  complaints.push(String(e));
} finally {
  await browser.close();
}
for (const c of complaints) console.error(c);
process.exit(complaints.length === 0 ? 0 : 1);
