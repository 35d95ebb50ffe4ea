import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  axeFaults,
  type Look,
  looks,
  openBrowser,
  serveConsole,
  sideways,
  signInAs,
  watchedPage,
} from '../support/browser.ts';
import { createTestConsole, type TestConsole } from '../support/console.ts';
import { fleetNames, makeFleet } from '../support/fleet.ts';

const now = Date.now();
// With a folder in CONSOLE_SHOTS, each page is kept there as a picture in each look.
const shots = process.env.CONSOLE_SHOTS;

const pages: Readonly<Record<string, string>> = {
  overview: '/console',
  domains: '/console/domains',
  regions: '/console/regions',
  search: '/console/search?q=api-1',
  policy: `/console/domains/${fleetNames.drift}/policy`,
  'a domain': `/console/domains/${fleetNames.drift}`,
};

let console: TestConsole;
let served: Awaited<ReturnType<typeof serveConsole>>;
let browser: Browser;

beforeAll(async () => {
  console = await createTestConsole(now);
  await makeFleet(console.db, now);
  served = await serveConsole(console);
  browser = await openBrowser();
  if (shots !== undefined) mkdirSync(shots, { recursive: true });
});
afterAll(async () => {
  await browser?.close();
  await served?.close();
  await console?.close();
});

describe.each(Object.keys(looks) as Look[])('in %s', (look) => {
  it.each(Object.entries(pages))(
    'the page %s is whole, within its policy and open to everybody',
    async (name, address) => {
      const context = await browser.newContext(looks[look]);
      const { page, faults } = await watchedPage(context);
      await signInAs(page, served.url, 'admin');
      const answer = await page.goto(`${served.url}${address}`);
      expect(answer?.status()).toBe(200);
      if (shots !== undefined) {
        await page.screenshot({ path: path.join(shots, `${name}-${look}.png`), fullPage: true });
      }
      expect(await axeFaults(page)).toEqual([]);
      expect(await sideways(page)).toBe(0);
      expect(faults).toEqual([]);
      await context.close();
    },
    60_000,
  );
});
