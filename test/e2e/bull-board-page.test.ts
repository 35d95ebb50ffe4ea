import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { boardHome, type BoardSite, boardTokens, openBoardSite, untilAgreed } from '../support/board.ts';
import { openBrowser } from '../support/browser.ts';
import { untilApplied } from '../support/ledger.ts';
import { backends } from '../support/site.ts';

/** What a browser says that it should not have to. */
const complaintsOf = (page: Page): string[] => {
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText;
    // What a page still loads when the next one is asked for.
    if (why !== 'net::ERR_ABORTED') complaints.push(`${request.url()} ${why}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`);
  });
  return complaints;
};

describe.each(backends)('Bull Board in a browser on %s', (backend) => {
  let site: BoardSite;
  let browser: Browser;
  beforeAll(async () => {
    site = await openBoardSite(backend);
    browser = await openBrowser();
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    await site.close();
  }, 30_000);

  const signIn = async (role: keyof typeof boardTokens, path: string): Promise<Page> => {
    const page = await (await browser.newContext()).newPage();
    // A secure cookie is kept without TLS for this name only.
    await page.goto(`${site.url.replace('127.0.0.1', 'localhost')}${boardHome}${path}`);
    await page.fill('input[name=token]', boardTokens[role]);
    await page.click('button[type=submit]');
    await page.getByText('notafter queues').waitFor();
    return page;
  };

  it('shows and retries a dead letter under the policy, without a complaint', { timeout: 90_000 }, async () => {
    const [id = ''] = await site.deadLetters(1);
    const page = await signIn('operator', '/');
    const complaints = complaintsOf(page);
    const home = new URL(page.url()).origin + boardHome;
    for (const path of ['', '/', '/job-schedulers', `/queue/cert-events/${id}-0`]) {
      await page.goto(home + path);
      await page.getByRole('link', { name: 'maintenance' }).first().waitFor();
    }
    expect(await page.getByRole('link', { name: 'Event', exact: true }).getAttribute('href')).toBe(
      `/console/events/${id}`,
    );
    await page.goto(`${home}/queue/cert-events?status=failed`);
    await page.getByText(`${id}-0`).waitFor();
    await site.mend([id]);
    await page.getByRole('button', { name: 'Retry all' }).click();
    await page.getByRole('button', { name: 'Confirm' }).click();
    await untilApplied(site.sql, id);
    await page.getByText(`${id}-0`).waitFor({ state: 'detached' });
    await untilAgreed(site);
    const replays = await site.sql`select actor from cert_event_replays where event_id = ${id}`;
    expect([...replays]).toEqual([{ actor: 'olaf' }]);
    expect(complaints).toEqual([]);
  });

  it('offers viewers no change', { timeout: 60_000 }, async () => {
    const [id = ''] = await site.deadLetters(1);
    const page = await signIn('viewer', '/queue/cert-events?status=failed');
    await page.getByText(`${id}-0`).waitFor();
    expect(await page.getByRole('button', { name: /retry|clean|promote/i }).count()).toBe(0);
  });
});
