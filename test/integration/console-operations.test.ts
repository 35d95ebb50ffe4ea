import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { notifications } from '../../src/db/schema-served.ts';
import { incidents } from '../../src/db/schema.ts';
import {
  axeFaults,
  type FleetConsole,
  type Look,
  lookAt,
  looks,
  openFleetConsole,
  signInAs,
  watchedPage,
  whole,
} from '../support/browser.ts';

const now = Date.now();

let site: FleetConsole;

/** An id of the fleet. */
const one = async <T extends { readonly id: string }>(rows: Promise<T[]>, wanted: (row: T) => boolean) =>
  (await rows).find(wanted)?.id ?? '';
const deadNotice = () =>
  one(
    site.console.db.orm.select().from(notifications),
    ({ status, channel }) => status === 'dead' && channel === 'webhook-fern',
  );
const incidentOf = (type: string, status: string) =>
  one(site.console.db.orm.select().from(incidents), (row) => row.incident_type === type && row.status === status);

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
  site = await openFleetConsole(now);
});
afterAll(() => site?.close());

describe.each(Object.keys(looks) as Look[])('in %s', (look) => {
  it.each(Object.entries(pages))(
    'the page %s is whole, within its policy and open to everybody',
    async (name, address) => expect(await lookAt(site, look, name, `/console/${await address()}`)).toEqual(whole),
    60_000,
  );
});

/** Presses Tab until the wanted control has the focus, as somebody without a mouse does. */
const tabTo = async (page: Page, name: RegExp): Promise<void> => {
  for (let n = 0; n < 120; n += 1) {
    await page.keyboard.press('Tab');
    const text = await page.evaluate(() => {
      const at = (
        globalThis as unknown as {
          document: { activeElement: { textContent: string; labels?: { textContent: string }[] } };
        }
      ).document.activeElement;
      return [at.textContent, ...[...(at.labels ?? [])].map((label) => label.textContent)].join(' ');
    });
    if (name.test(text.replaceAll(/\s+/g, ' ').trim())) return;
  }
  throw new Error(`no control ${String(name)} is reached with the keyboard`);
};

/** Does what a control does, and waits for the page that comes of it. */
const enter = async (page: Page, name: RegExp, url: RegExp | string): Promise<void> => {
  await tabTo(page, name);
  await Promise.all([page.waitForURL(url), page.keyboard.press('Enter')]);
};

describe('with the keyboard alone', () => {
  const open = async (address: string) => {
    const context = await site.browser.newContext(looks.light);
    const watched = await watchedPage(context);
    await signInAs(watched.page, site.url, 'admin');
    await watched.page.goto(`${site.url}/console/${address}`);
    return { ...watched, context };
  };

  it('somebody acknowledges an incident', async () => {
    const { page, faults, context } = await open('incidents');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.waitForURL(/incidents\/[0-9a-f-]{36}$/);
    await tabTo(page, /^Acknowledge…$/);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    expect(await axeFaults(page)).toEqual([]);
    await page.keyboard.type('on it, with the CA');
    await tabTo(page, /^Acknowledge 1 incident$/);
    await page.keyboard.press('Enter');
    await page.getByText('on it, with the CA').waitFor();
    expect(await page.getByRole('heading', { name: 'What happened' }).count()).toBe(1);
    expect(faults).toEqual([]);
    await context.close();
  }, 60_000);

  it('somebody ticks dead notifications and requeues them', async () => {
    const { page, faults, context } = await open('notifications?status=dead');
    for (let n = 0; n < 2; n += 1) {
      await page.keyboard.press('j');
      await page.keyboard.press('x');
    }
    await page.getByText('2 selected').waitFor();
    await page.getByRole('link', { name: 'Skip to content' }).focus();
    await enter(page, /^Requeue selected…$/, /some\/requeue\?id=/);
    await tabTo(page, /^Send one first/);
    await page.keyboard.press('Space');
    await tabTo(page, /^Reason$/);
    await page.keyboard.type('keys set anew');
    await enter(page, /^Requeue 2$/, /requeued=2/);
    await page.getByText('2 notifications are pending again').waitFor();
    const rows = await site.console.db.orm.select().from(notifications);
    expect(rows.filter(({ status }) => status === 'dead')).toHaveLength(1);
    expect(site.console.queues.deliveryKicks.length).toBeGreaterThan(0);
    expect(faults).toEqual([]);
    await context.close();
  }, 60_000);

  it('somebody makes a token, and revokes it', async () => {
    const { page, faults, context } = await open('tokens');
    await tabTo(page, /^New token…$/);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    expect(await axeFaults(page)).toEqual([]);
    await page.keyboard.type('ci runner');
    await tabTo(page, /^Make the token$/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Copy the token of ci runner now' }).waitFor();
    expect(await axeFaults(page)).toEqual([]);
    await tabTo(page, /^Back to the list$/);
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'New token…' }).waitFor();
    await tabTo(page, /^Revoke…$/);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    expect(await page.getByRole('dialog').count()).toBe(0);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.type('not needed any more');
    await tabTo(page, /^Revoke 1 token$/);
    await page.keyboard.press('Enter');
    await page.getByText('revoked', { exact: true }).waitFor();
    expect(faults).toEqual([]);
    await context.close();
  }, 60_000);
});
