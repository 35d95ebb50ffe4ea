import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type FleetConsole,
  keepShot,
  type Look,
  lookAt,
  looks,
  openFleetConsole,
  sideways,
  signInAs,
  watchedPage,
  whole,
} from '../support/browser.ts';
import { fleetNames } from '../support/fleet.ts';

const now = Date.now();

const pages: Readonly<Record<string, string>> = {
  overview: '/console',
  domains: '/console/domains',
  regions: '/console/regions',
  search: '/console/search?q=api-1',
  policy: `/console/domains/${fleetNames.drift}/policy`,
  events: '/console/events?status=failed',
  'dead letters': '/console/dead-letters',
  replays: '/console/replays',
  replay: '/console/replays/1',
  'a domain': `/console/domains/${fleetNames.drift}`,
  notifications: '/console/notifications',
  'dead notifications': '/console/notifications?status=dead',
  incidents: '/console/incidents',
  sources: '/console/sources',
};

let site: FleetConsole;

beforeAll(async () => {
  site = await openFleetConsole(now);
});
afterAll(() => site?.close());

describe.each(Object.keys(looks) as Look[])('in %s', (look) => {
  it.each(Object.entries(pages))(
    'the page %s is whole, within its policy and open to everybody',
    async (name, address) => expect(await lookAt(site, look, name, address)).toEqual(whole),
    60_000,
  );
});

// WCAG 1.4.12: what a reader may set must break nothing.
const spacing = `
  const sheet = new CSSStyleSheet();
  sheet.replaceSync('* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important } p { margin-bottom: 2em !important }');
  document.adoptedStyleSheets = [sheet];`;

it.each(Object.entries(pages))(
  'the page %s fits where it is bent: 320 px, wide text, forced colours, on paper',
  async (name, address) => {
    const context = await site.browser.newContext({ ...looks.light, viewport: { width: 320, height: 640 } });
    const { page, faults } = await watchedPage(context);
    await signInAs(page, site.url, 'admin');
    await page.goto(`${site.url}${address}`);
    const found = { narrow: await sideways(page), spaced: -1, forced: -1 };
    await page.evaluate(spacing);
    found.spaced = await sideways(page);
    await page.reload();
    await page.emulateMedia({ forcedColors: 'active', reducedMotion: 'reduce' });
    found.forced = await sideways(page);
    expect(found).toEqual({ narrow: 0, spaced: 0, forced: 0 });
    await page.setViewportSize({ width: 1100, height: 800 });
    await page.emulateMedia({ media: 'print', forcedColors: 'none' });
    await keepShot(page, `${name}-print`);
    for (const part of ['.side', '.top', '.actions', '.filters'])
      expect(await page.locator(part).first().isVisible()).toBe(false);
    expect(faults).toEqual([]);
    await context.close();
  },
  60_000,
);
