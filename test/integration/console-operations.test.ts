import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { notifications } from '../../src/db/schema-served.ts';
import { incidents } from '../../src/db/schema.ts';
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
import { makeFleet } from '../support/fleet.ts';

const now = Date.now();
// With a folder in CONSOLE_SHOTS, each page is kept there as a picture in each look.
const shots = process.env.CONSOLE_SHOTS;

let console: TestConsole;
let served: Awaited<ReturnType<typeof serveConsole>>;
let browser: Browser;

/** An id of the fleet. */
const one = async <T extends { readonly id: string }>(rows: Promise<T[]>, wanted: (row: T) => boolean) =>
  (await rows).find(wanted)?.id ?? '';
const deadNotice = () =>
  one(
    console.db.orm.select().from(notifications),
    ({ status, channel }) => status === 'dead' && channel === 'webhook-fern',
  );
const incidentOf = (type: string, status: string) =>
  one(console.db.orm.select().from(incidents), (row) => row.incident_type === type && row.status === status);

const pages: Readonly<Record<string, () => string | Promise<string>>> = {
  notifications: () => 'notifications',
  'notifications-dead': () => 'notifications?status=dead',
  notification: async () => `notifications/${await deadNotice()}`,
  incidents: () => 'incidents',
  'incidents-all': () => 'incidents?status=all',
  incident: async () => `incidents/${await incidentOf('certificate_drift', 'acknowledged')}`,
  'incident-ack': async () => `incidents/some/ack?ids=${await incidentOf('tls_error', 'open')}`,
  sources: () => 'sources',
  audit: () => 'audit',
  'audit-check': () => 'audit-check',
  tokens: () => 'tokens',
  'token-new': () => 'tokens/new',
  sessions: () => 'sessions',
  account: () => 'account',
  settings: () => 'settings',
  'notifications-requeue': () => 'notifications/some/requeue?status=dead&channel=pager-prod',
};

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
      const answer = await page.goto(`${served.url}/console/${await address()}`);
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
