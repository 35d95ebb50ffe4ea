import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { axeFaults, type Look, looks, openBrowser, sideways, watchedPage, type Watched } from '../support/browser.ts';
import { applicationsOf, plantDeadLetters } from '../support/dead-letters.ts';
import { registerMany } from '../support/driver.ts';
import { openSite, type Site } from '../support/site.ts';
import { waitFor } from '../support/wait.ts';

const operator = 'operator-token-of-the-test';
const events = 90;

let site: Site;
let browser: Browser;
let ids: string[];

beforeAll(async () => {
  site = await openSite('postgres', {
    CERT_ADMIN_TOKENS: `driver:admin:admin-token-of-the-test,olga:operator:${operator}`,
    NOTAFTER_HOST: 'localhost',
  });
  const domains = await registerMany(`http://localhost:${site.app.port}`, 20, 'replayed.example');
  const error = '<img src=x onerror="document.title=1"> {domain} timed out';
  ids = await plantDeadLetters(site.sql, { count: events, domains, error });
  browser = await openBrowser();
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await site?.close();
});

const urlOf = (path: string): string => `http://localhost:${site.app.port}/console${path}`;

const signIn = async ({ page }: Watched): Promise<void> => {
  await page.goto(urlOf('/login'));
  await page.getByLabel('Access token').fill(operator);
  await page.keyboard.press('Enter');
  await page.waitForURL(urlOf(''));
};

/** Goes on with Tab until what has the focus says this. */
const tabTo = async ({ page }: Watched, words: RegExp): Promise<void> => {
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press('Tab');
    const text = await page.evaluate<string>(`document.activeElement?.textContent ?? ''`);
    if (text.length < 100 && words.test(text)) return;
  }
  throw new Error(`Tab does not reach ${String(words)}`);
};

it.each(['light', 'dark', 'phone'] as Look[])(
  'dead letters and a plan are open to everybody and within their policy: %s',
  { timeout: 60_000 },
  async (look) => {
    const context = await browser.newContext(looks[look]);
    const watched = await watchedPage(context);
    const { page, faults } = watched;
    await signIn(watched);
    await page.goto(urlOf('/dead-letters'));
    expect([await axeFaults(page), await sideways(page)]).toEqual([[], 0]);
    await page.getByRole('button', { name: `Plan ${events}…` }).click();
    await page.waitForURL(/replays\/\d+$/);
    expect([await axeFaults(page), await sideways(page)]).toEqual([[], 0]);
    expect(await page.title()).toMatch(/^Plan \d+/);
    expect(faults).toEqual([]);
    await context.close();
  },
);

it('a group is replayed with the keyboard alone, and its progress arrives by itself', { timeout: 90_000 }, async () => {
  const context = await browser.newContext(looks.light);
  const watched = await watchedPage(context);
  const { page, faults } = watched;
  await signIn(watched);
  await page.goto(urlOf('/dead-letters'));
  await tabTo(watched, new RegExp(`Plan ${events}…`));
  await page.keyboard.press('Enter');
  await page.waitForURL(/replays\/\d+$/);
  const address = page.url();
  expect(await page.locator('#sheet-h').textContent()).toBe(`Replay ${events} events`);
  await page.getByLabel('Events a second').focus();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type('30');
  await page.keyboard.press('Tab');
  await page.keyboard.type('the route is back');
  await tabTo(watched, new RegExp(`Replay ${events} events`));
  await page.keyboard.press('Enter');
  const bar = page.getByRole('progressbar');
  await bar.waitFor();
  expect(page.url()).toBe(address);
  // Nothing loads the page again: what follows is told by the stream.
  await page.evaluate(() => Object.assign(globalThis, { stayed: true }));
  const verdict = page.locator('#verdict-h');
  const seen = new Set<string>();
  await waitFor(
    async () => {
      const text = (await verdict.textContent()) ?? '';
      seen.add(text);
      return text === `Done: ${events} applied, 0 failed again`;
    },
    { timeoutMs: 60_000, intervalMs: 200, what: `the end of the replay; seen: ${[...seen].join(' | ')}` },
  );
  expect(seen.size).toBeGreaterThan(1);
  expect(await page.evaluate(() => 'stayed' in globalThis)).toBe(true);
  expect(await bar.getAttribute('aria-valuenow')).toBe(String(events));
  expect(await axeFaults(page)).toEqual([]);
  expect(await applicationsOf(site.sql, ids)).toEqual({ 1: events });
  const audit = await site.sql<{ action: string; actor: string; reason: string | null }[]>`
    select action, actor, reason from audit_log where action = 'replay.execute'`;
  expect([...audit]).toEqual([{ action: 'replay.execute', actor: 'olga', reason: 'the route is back' }]);
  await page.goto(urlOf('/dead-letters'));
  expect(await page.getByRole('heading', { name: 'No dead letters', exact: true }).isVisible()).toBe(true);
  expect(faults).toEqual([]);
  await context.close();
});
