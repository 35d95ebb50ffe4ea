import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { customDomains, events } from '../../src/db/schema.ts';
import { domainOf, eventOf } from '../support/api.ts';
import { type FleetConsole, looks, openFleetConsole, serveConsole, signInAs, watchedPage } from '../support/browser.ts';
import { fleetNames } from '../support/fleet.ts';

const now = Date.now();
let site: FleetConsole;
let context: BrowserContext;
let page: Page;
let faults: readonly string[];

beforeAll(async () => {
  site = await openFleetConsole(now);
});
afterAll(() => site?.close());
beforeEach(async () => {
  context = await site.browser.newContext(looks.light);
  ({ page, faults } = await watchedPage(context));
  await signInAs(page, site.url, 'admin');
});
afterEach(async () => {
  await context.close();
  if (faults.length > 0) throw new Error(faults.join('\n'));
});

const open = async (path: string): Promise<void> => {
  await page.goto(`${site.url}${path}`);
};

describe('a page that is open', () => {
  it('is live, and shows what comes in without being asked', async () => {
    await open('/console/domains?q=live-');
    await page.locator('.live[data-state="live"]').waitFor();
    await page.mouse.move(2, 2);
    expect(await page.getByRole('link', { name: 'live-one.fern.example' }).count()).toBe(0);
    await site.console.db.orm.insert(customDomains).values(domainOf({ domain: 'live-one.fern.example' }));
    const link = page.getByRole('link', { name: 'live-one.fern.example' });
    await link.waitFor();
    expect(await link.count()).toBe(1);
  });

  it('keeps a table still while somebody points at it, and offers what is new', async () => {
    await open('/console/domains?q=still-');
    await site.console.db.orm.insert(customDomains).values(domainOf({ domain: 'still-1.fern.example' }));
    await page.locator('.live[data-state="live"]').waitFor();
    await page.getByRole('link', { name: 'still-1.fern.example' }).waitFor();
    await page.locator('tbody tr').first().hover();
    await site.console.db.orm.insert(customDomains).values(domainOf({ domain: 'still-2.fern.example' }));
    const offer = page.getByRole('button', { name: '1 new, show' });
    await offer.waitFor();
    expect(await page.getByRole('link', { name: 'still-2.fern.example' }).count()).toBe(0);
    await offer.click();
    await page.getByRole('link', { name: 'still-2.fern.example' }).waitFor();
    expect(await page.locator('tr.fresh').count()).toBe(1);
  });

  it('shows what changed after the page was made and before it listened', async () => {
    let go = (): void => undefined;
    const held = new Promise<void>((resolve) => (go = resolve));
    await page.route(/\/console\/live/, async (route) => {
      await held;
      await route.continue();
    });
    await open('/console/domains?q=between-');
    const beside = await context.newPage();
    await beside.goto(`${site.url}/console/domains?q=between-`);
    await beside.locator('.live[data-state="live"]').waitFor();
    await site.console.db.orm.insert(customDomains).values(domainOf({ domain: 'between-1.fern.example' }));
    // The server has told of it by then.
    await beside.getByRole('link', { name: 'between-1.fern.example' }).waitFor();
    go();
    await page.getByRole('link', { name: 'between-1.fern.example' }).waitFor();
    expect(await page.locator('.live').getAttribute('data-state')).toBe('live');
  });

  it('says that it is not live any more when its stream ends', async () => {
    // Cookies know no port.
    const other = await serveConsole(site.console);
    await page.goto(`${other.url}/console/domains`);
    await page.locator('.live[data-state="live"]').waitFor();
    await other.close();
    await page.getByText(/Not live since \d\d:\d\d, reconnecting/).waitFor();
    expect(await page.locator('.live').getAttribute('data-state')).toBe('stale');
  });

  it('is not live again by a change that it heard of before its stream ended', async () => {
    const other = await serveConsole(site.console);
    await page.goto(`${other.url}/console/domains?q=last-`);
    await page.locator('.live[data-state="live"]').waitFor();
    const [fetched, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    await page.route(/\/console\/domains/, async (route) => {
      const response = await route.fetch();
      // What changed before may be told of first.
      if ((await response.text()).includes('last-1.fern.example')) {
        fetched.resolve();
        await ended.promise;
      }
      await route.fulfill({ response });
    });
    await site.console.db.orm.insert(customDomains).values(domainOf({ domain: 'last-1.fern.example' }));
    await fetched.promise;
    await other.close();
    await page.getByText(/Not live since/).waitFor();
    ended.resolve();
    await page.getByRole('link', { name: 'last-1.fern.example' }).waitFor();
    expect(await page.locator('.live').getAttribute('data-state')).toBe('stale');
  });

  it('says that its reader is signed out, when an admin ended the session', async () => {
    await open('/console/domains');
    await page.locator('.live[data-state="live"]').waitFor();
    await site.console.db.sql`delete from console_sessions`;
    // The stream looks at its session every quarter of a minute.
    await page.getByText('Signed out, reload the page to sign in').waitFor({ timeout: 50_000 });
    expect(await page.locator('.live').getAttribute('data-state')).toBe('stale');
  }, 60_000);

  it('leads to the login page once its session is over', async () => {
    await open('/console/domains');
    await context.clearCookies();
    await page.reload();
    await page.waitForURL(/\/console\/login\?next=/);
    expect(await page.getByLabel('Access token').isVisible()).toBe(true);
  });
});

describe('without a mouse', () => {
  it('the failing domain is found from the overview', async () => {
    await open('/console');
    await page.keyboard.press('/');
    expect(await page.evaluate('document.activeElement?.id')).toBe('q');
    await page.keyboard.type('checkout.');
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/console/domains/${fleetNames.drift}`);
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(fleetNames.drift);
  });

  it('the first stop is the way past the navigation', async () => {
    await open('/console');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement?.textContent')).toBe('Skip to content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('location.hash')).toBe('#main');
  });

  it('rows are walked with j and k and opened with Enter', async () => {
    await open('/console/domains?q=api-1');
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('k');
    const name = await page.locator('tr[data-row="current"] a').first().innerText();
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/console/domains/${name}`);
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(name);
  });

  it('a dialog opens over the page, keeps the focus and gives it back', async () => {
    await open(`/console/domains/${fleetNames.breach}`);
    const link = page.getByRole('link', { name: 'Failure policy…' });
    await link.focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: `Failure policy for ${fleetNames.breach}` });
    await dialog.waitFor();
    expect(await page.evaluate('document.activeElement.closest("dialog") !== null')).toBe(true);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(await page.evaluate('document.activeElement.textContent')).toContain('Failure policy…');
    await link.click();
    await dialog.getByText('10 min, 30 min').click();
    await dialog.getByRole('button', { name: 'Set policy' }).click();
    await page.waitForURL(`**/console/domains/${fleetNames.breach}`);
    await page.locator('#ownership').getByText('hold').waitFor();
  });

  it('keys do nothing where they are switched off', async () => {
    await context.addCookies([{ name: 'notafter-preferences', value: 'keys=off', url: site.url }]);
    await open('/console');
    await page.keyboard.press('/');
    expect(await page.evaluate('document.activeElement?.id')).not.toBe('q');
  });
});

describe('without a script', () => {
  it('a domain is found, probed and given a policy', async () => {
    const plain = await site.browser.newContext({ ...looks.phone, javaScriptEnabled: false });
    const bare = await plain.newPage();
    await signInAs(bare, site.url, 'admin');
    await bare.goto(`${site.url}/console/search?q=checkout.`);
    await bare.getByRole('button', { name: 'Probe now' }).click();
    await bare.getByText('A probe is on its way').waitFor();
    await bare.getByRole('link', { name: 'Failure policy…' }).click();
    await bare.getByLabel('strict').check();
    await bare.getByRole('button', { name: 'Set policy' }).click();
    await bare.waitForURL(`**/console/domains/${fleetNames.drift}`);
    expect(await bare.locator('#ownership').innerText()).toContain('strict');
    await plain.close();
  });
});

it('the times of an open page go on', async () => {
  await site.console.db.orm.insert(events).values(eventOf(Date.now() - 1000, { domain: 'clock.example' }));
  await page.clock.install();
  await open('/console');
  const age = page.locator('#latest time').first();
  const before = await age.innerText();
  await page.clock.runFor(20_000);
  expect(await age.innerText()).not.toBe(before);
});
