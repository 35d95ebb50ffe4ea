import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dlqCommand } from '../../src/cli/dlq.ts';
import { eventsCommand } from '../../src/cli/events.ts';
import type { CliIo } from '../../src/cli/io.ts';
import { settleReplay, stepReplay } from '../../src/db/replay-steps.ts';
import { eventReplays, events } from '../../src/db/schema.ts';
import { deadLetterRoutes } from '../../src/http/dead-letters.ts';
import { eventRoutes } from '../../src/http/events.ts';
import { replayRoutes } from '../../src/http/replays.ts';
import { createTestApi, eventOf, idAt, type TestApi } from '../support/api.ts';
import { type CliRunOptions, runCommand } from '../support/cli.ts';
import { waitFor } from '../support/wait.ts';

const now = Date.UTC(2026, 4, 1, 12);
const hour = 3_600_000;

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([eventRoutes(), replayRoutes(), deadLetterRoutes()], now);
});
afterAll(() => api.close());
beforeEach(
  () =>
    api.db
      .sql`truncate certificate_lifecycle_events, event_counts, cert_event_replays, dead_letters, unfinished_events, replays cascade`,
);

const insert = async (...rows: ReturnType<typeof eventOf>[]) => {
  await api.db.orm.insert(events).values(rows);
  return rows.map(({ id }) => id);
};
const failed = (values: Parameters<typeof eventOf>[1] = {}) =>
  eventOf(now - hour, {
    status: 'failed',
    outcome: null,
    retry_count: 6,
    last_error: 'domain is not registered',
    error_class: 'unresolved',
    domain_id: null,
    ...values,
  });

const run = (make: (io: CliIo) => Command, args: readonly string[], options: CliRunOptions = {}) =>
  runCommand(api, make, args, options);

describe('notafter events', () => {
  it('lists as JSON without a terminal, with every filter', async () => {
    const wanted = failed({
      source: 'lego',
      cluster_id: 'us',
      org_id: 'o1',
      domain: 'a.example.com',
      event_type: 'renewal_failed',
    });
    await insert(wanted, failed(), eventOf(now));
    const { code, out } = await run(eventsCommand, [
      'list',
      '--status',
      'failed',
      '--source',
      'lego',
      '--cluster-id',
      'us',
      '--org-id',
      'o1',
      '--domain',
      'a.example.com',
      '--event-type',
      'renewal_failed',
      '--error-class',
      'unresolved',
      '--unresolved',
      '--since',
      '2h',
      '--until',
      new Date(now).toISOString(),
      '--limit',
      '5',
    ]);
    expect(code).toBe(0);
    const body: { events: { id: string }[] } = JSON.parse(out.join('\n'));
    expect(body.events.map(({ id }) => id)).toEqual([wanted.id]);
  });

  it('lists as a table on a terminal, without what would control it', async () => {
    await insert(failed({ source: 'evil\u001b[2J', last_error: 'no\nway' }), failed());
    const { out } = await run(eventsCommand, ['list', '--limit', '1'], { columns: 250 });
    expect(out[0]).toMatch(/^ID +RECEIVED +STATUS/);
    expect(out[1]).toContain('failed');
    expect(out.join('')).not.toMatch(/\p{Cc}/u);
    expect(out).toContain('0 pending, 0 applied, 2 failed; 2 unresolved');
    expect(out.at(-1)).toMatch(/^more: --cursor \S+$/);
  });

  it('shows one event as a story', async () => {
    const [id = ''] = await insert(eventOf(now - hour, { domain: 'story.example.com', reason: 'because' }));
    const { out } = await run(eventsCommand, ['show', id], { columns: 200 });
    expect(out[0]).toBe(`${id}  story.example.com  not registered`);
    expect(out.join('\n')).toMatch(/reason +because/);
    expect(out.join('\n')).toMatch(/received +source certbot/);
    expect(out.join('\n')).toMatch(/applied +outcome applied/);
    const json = await run(eventsCommand, ['show', id, '--json'], { columns: 200 });
    expect(JSON.parse(json.out.join(''))).toMatchObject({ event: { id }, deliveries: [] });
  });

  it('replays one event, and says why it does not', async () => {
    const [id = ''] = await insert(eventOf(now));
    const refused = await run(eventsCommand, ['replay', id]);
    expect(refused).toMatchObject({ code: 1, err: [expect.stringMatching(/^notafter events replay: HTTP 409: /)] });
    const forced = await run(eventsCommand, ['replay', id, '--force', '--reason', 'by hand'], { columns: 80 });
    expect(forced.out).toEqual([`${id} is pending again, a.example.com`]);
    const [note] = await api.db.orm.select().from(eventReplays).where(eq(eventReplays.event_id, id));
    expect(note).toMatchObject({ actor: 'operator', reason: 'by hand' });
  });

  it('has one line for an event that is not there, and for a role that may not', async () => {
    expect(await run(eventsCommand, ['show', idAt(now)])).toMatchObject({
      code: 1,
      out: [],
      err: [expect.stringContaining('HTTP 404')],
    });
    expect(await run(eventsCommand, ['replay', randomUUID()], { role: 'viewer' })).toMatchObject({
      code: 1,
      err: [expect.stringContaining('HTTP 403')],
    });
  });

  it.each([
    ['list', '--limit', '0'],
    ['list', '--limit', '501'],
    ['list', '--status', 'done'],
    ['list', '--since', 'yesterday'],
    ['list', '--nothing'],
    ['show'],
  ])('does not take: %s %s %s', async (...args) => {
    await expect(
      run(
        eventsCommand,
        args.filter((arg) => typeof arg === 'string'),
      ),
    ).rejects.toThrow(/error:/);
  });
});

describe('notafter dlq', () => {
  it('lists failed events only', async () => {
    const [dead] = await insert(failed(), eventOf(now), eventOf(now, { status: 'pending' }));
    const { out } = await run(dlqCommand, ['list']);
    const body: { events: { id: string }[] } = JSON.parse(out.join(''));
    expect(body.events.map(({ id }) => id)).toEqual([dead]);
  });

  it('lists the causes with most dead letters first, as a table and as JSON', async () => {
    await insert(
      ...Array.from({ length: 3 }, () => failed({ domain: 'a.example.com' })),
      failed({ error_class: 'internal' }),
    );
    const { out } = await run(dlqCommand, ['groups'], { columns: 200 });
    expect(out[0]).toMatch(/^GROUP +EVENTS +DOMAINS +REPLAYED +LAST +CLASS +FROM +ERROR$/);
    expect(out[1]).toMatch(/^[\da-f]{16} +3 +1 +0 +\S+ +unresolved +certbot:eu +domain is not registered$/);
    expect(out[2]).toMatch(/^[\da-f]{16} +1 .* internal /);
    expect(out[4]).toBe('4 dead letters of 2 causes, 1 domain, 1 source');
    const json = await run(dlqCommand, ['groups', '--error-class', 'internal']);
    expect(JSON.parse(json.out.join(''))).toMatchObject({ groups: [{ events: 1 }], totals: { events: 1 } });
  });

  /** Opens and applies the events of a replay, as a worker does, until it is over. */
  const work = async (id: number): Promise<void> => {
    for (let at = now; ; at += 1000) {
      await stepReplay(api.db, id, { now: at, most: 500, groupId: randomUUID() });
      await api.db.sql`
        update certificate_lifecycle_events set status = 'applied', processed_at = now() where status = 'pending' and event_type <> 'issuance_failed'`;
      await api.db.sql`
        update certificate_lifecycle_events set status = 'failed', processed_at = now(), error_pattern = 'no', error_fingerprint = 'f'
        where status = 'pending'`;
      if ((await settleReplay(api.db, id, at)) === 'over') return;
    }
  };
  const newest = () =>
    waitFor(async () => {
      const [row] = await api.db.sql<
        { id: string }[]
      >`select id from replays where state = 'running' order by id desc limit 1`;
      return row === undefined ? null : Number(row.id);
    });

  it('plans without doing, and replays all that the filters let through with a bar', async () => {
    const ids = await insert(
      ...Array.from({ length: 120 }, () => failed({ source: 'mine' })),
      failed({ source: 'mine', event_type: 'issuance_failed' }),
      failed({ source: 'other' }),
    );
    const dry = await run(dlqCommand, ['replay', '--all', '--source', 'mine', '--dry-run'], { columns: 120 });
    expect(dry.out[0]).toBe('121 events of 1 domain from 1 source, 0 replayed before');
    const following = run(
      dlqCommand,
      ['replay', '--all', '--source', 'mine', '--rate', '100', '--reason', 'back', '--watch'],
      { columns: 80 },
    );
    await work(await newest());
    const { code, out, err, bars } = await following;
    expect(code).toBe(1);
    expect(err).toEqual([expect.stringContaining('wait for a domain that nobody has registered')]);
    expect(out[0]).toMatch(/^replay \d+ is done: 120 applied, 1 failed again, 0 skipped$/);
    expect(bars[0]).toMatch(/^\[[#.]{30}\] \d+ of 121, /);
    expect(bars.at(-1)).toBe('');
    const rows = await api.db.orm.select().from(events).where(eq(events.status, 'applied'));
    expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(ids.slice(0, 120)));
  });

  it('replays one group in the background, and steers it', async () => {
    await insert(failed({ error_class: 'internal' }), failed());
    const { groups } = JSON.parse((await run(dlqCommand, ['groups'])).out.join(''));
    const [{ fingerprint }] = groups.filter((group: { error_class: string }) => group.error_class === 'internal');
    const { code, out } = await run(dlqCommand, ['replay', '--group', fingerprint], { columns: 80 });
    const id = /^replay (\d+): 1 events at 50 a second; see notafter dlq watch \1$/.exec(out[0] ?? '')?.[1] ?? '';
    expect([code, id]).toEqual([0, expect.stringMatching(/\d/)]);
    const say = async (act: string) => (await run(dlqCommand, [act, id], { columns: 120 })).out[0];
    expect(await say('pause')).toBe(`replay ${id} is paused: 0 applied, 0 failed again, 0 skipped, 1 left`);
    expect(await say('watch')).toMatch(/is paused: .* 1 left; go on with notafter dlq resume \d+$/);
    expect(await say('resume')).toContain('is running');
    expect(await say('cancel')).toContain('is cancelled');
    expect(await run(dlqCommand, ['watch'])).toMatchObject({
      code: 1,
      err: [expect.stringContaining('no replay is running')],
    });
  });

  it('replays the ids given and names those that it could not', async () => {
    const [dead = '', done = ''] = await insert(failed(), eventOf(now));
    const { code, out } = await run(dlqCommand, ['replay', dead, done, 'not-an-id']);
    expect(code).toBe(1);
    expect(JSON.parse(out.join(''))).toEqual({
      attempted: 3,
      replayed: 1,
      ids: [dead],
      refused: [
        { id: done, message: expect.stringContaining('HTTP 409') },
        { id: 'not-an-id', message: expect.stringContaining('HTTP 400') },
      ],
    });
  });

  it.each([
    [[], 'give the ids of events, or --all'],
    [['--source', 'x'], 'give the ids of events, or --all'],
    [['--all', idAt(now)], 'give either ids'],
    [['--source', 'x', idAt(now)], 'give either ids'],
  ])('does not guess what %j means', async (args, message) => {
    expect(await run(dlqCommand, ['replay', ...args])).toMatchObject({
      code: 1,
      err: [expect.stringContaining(message)],
    });
  });

  it('says where to look, and which domain has to be registered first', async () => {
    const [waits = '', other = ''] = await insert(
      failed({ domain: 'late.example.com' }),
      failed({ error_class: 'internal' }),
    );
    const first = await run(dlqCommand, ['replay', waits], { columns: 80 });
    expect(first.out).toEqual([`1 of 1 queued again; see notafter events show ${waits}`]);
    expect(first.err).toEqual([
      expect.stringMatching(/nobody has registered late.*notafter domains put late.example.com$/),
    ]);
    const second = await run(dlqCommand, ['replay', other], { columns: 80 });
    expect(second).toMatchObject({ code: 0, err: [] });
  });

  it('gives the command that applies an event again', async () => {
    const [done = ''] = await insert(eventOf(now));
    const expected = expect.stringContaining(`use notafter events replay ${done} --force to apply it again`);
    expect(await run(dlqCommand, ['replay', done], { columns: 80 })).toMatchObject({ code: 1, err: [expected] });
    expect(await run(eventsCommand, ['replay', done])).toMatchObject({ code: 1, err: [expected] });
  });

  it('stops at once where the role may not', async () => {
    const ids = await insert(failed(), failed());
    const { code, err } = await run(dlqCommand, ['replay', ...ids], { role: 'viewer' });
    expect(code).toBe(1);
    expect(err).toEqual([expect.stringMatching(/HTTP 403.*replayed before that: 0/)]);
  });
});
