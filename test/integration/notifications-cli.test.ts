import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { notificationsCommand } from '../../src/cli/notifications.ts';
import { notificationAttempts, notifications, type NotificationStatus } from '../../src/db/schema-served.ts';
import { notificationRoutes } from '../../src/http/notifications.ts';
import { createTestApi, idAt, type TestApi } from '../support/api.ts';
import { type CliRunOptions, runCommand } from '../support/cli.ts';

const now = Date.UTC(2026, 4, 1, 12);
const hour = 3_600_000;

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([notificationRoutes()], now);
});
afterAll(() => api.close());
beforeEach(() => api.db.sql`truncate certificate_notifications, notification_attempts`);

const insert = async (status: NotificationStatus, at = now - hour): Promise<string> => {
  const [id, time] = [idAt(at), new Date(at)];
  await api.db.orm.insert(notifications).values({
    id,
    kind: 'alert',
    action: 'fire',
    alert_key: `${id}:tls_error`,
    cycle: 'none',
    class: 'tls_error',
    severity: 'critical',
    route: 'ticket',
    channel: 'chat',
    domain_id: id,
    domain: 'a.example',
    summary: 'a.example: TLS error',
    body: {},
    status,
    tries: 1,
    last_error: status === 'sent' ? null : 'the receiver answered 500',
    fired_at: time,
    created_at: time,
    updated_at: time,
  });
  await api.db.orm.insert(notificationAttempts).values({
    notification_id: id,
    attempt: 1,
    delivered: status === 'sent',
    status: status === 'sent' ? 200 : 500,
    error: status === 'sent' ? null : 'the receiver answered 500',
    duration_ms: 12,
    created_at: time,
  });
  return id;
};

const run = (args: readonly string[], options: CliRunOptions = {}) =>
  runCommand(api, notificationsCommand, args, options);

describe('notafter notifications', () => {
  it('lists them for people and for programs', async () => {
    const dead = await insert('dead');
    await insert('sent');
    const people = await run(['list'], { columns: 200 });
    expect(people.out.join('\n')).toContain(dead);
    expect(people.out.at(-1)).toBe('0 pending, 0 failed, 1 sent, 1 dead');
    const [json = ''] = (await run(['list', '--status', 'dead', '--since', '2h', '--class', 'tls_error'])).out;
    expect(JSON.parse(json)).toMatchObject({ notifications: [{ id: dead }], stats: { dead: 1, sent: 0 } });
  });

  it('shows one with its tries', async () => {
    const id = await insert('dead');
    const { code, out } = await run(['show', id], { columns: 160 });
    expect(code).toBe(0);
    expect(out.join('\n')).toMatch(
      /a\.example: TLS error[^]*status +dead[^]*failed +500 +12 ms +the receiver answered 500/,
    );
    expect(await run(['show', idAt(now)])).toMatchObject({ code: 1 });
  });

  it('requeues by id and by filter', async () => {
    const [one, two] = [await insert('dead'), await insert('dead')];
    const byId = await run(['requeue', one, '--reason', 'the receiver is back'], { columns: 100 });
    expect(byId.out).toEqual([`${one} is pending again`]);
    const dry = await run(['requeue', '--channel', 'chat', '--dry-run', '--until', '2026-05-01T12:00:00Z']);
    expect(JSON.parse(dry.out[0] ?? '')).toMatchObject({ dryRun: true, requeued: 0, ids: [two] });
    const all = await run(['requeue', '--all', '--since', '3h', '--reason', 'and so are the others'], { columns: 100 });
    expect(all.out).toEqual(['1 of 1 requeued']);
    expect((await run(['requeue', one])).code).toBe(1);
    const noted = await api.db.sql`select reason from audit_log where object_id in (${one}, ${two}) order by seq`;
    expect([...noted]).toEqual([{ reason: 'the receiver is back' }, { reason: 'and so are the others' }]);
  });

  it('shows which would be requeued, and how many are left out', async () => {
    const [first] = [await insert('dead', now - 3 * hour), await insert('dead'), await insert('failed')];
    const { code, out } = await run(['requeue', '--all', '--dry-run', '--limit', '1'], { columns: 220 });
    expect(code).toBe(0);
    expect(out[1]).toMatch(new RegExp(`^${first} +\\S+ +dead +chat +tls_error +a\\.example: TLS error +the receiver`));
    expect(out.at(-1)).toBe('would requeue 1 of 2 dead (--limit 1)');
    const none = await run(['requeue', '--status', 'failed', '--until', '48h', '--dry-run'], { columns: 220 });
    expect(none.out).toEqual(['would requeue 0 of 0 failed (--limit 100)']);
    expect((await run(['requeue', first, '--dry-run'])).err[0]).toContain('--dry-run goes with a filter');
  });

  it('says what is left after a requeue', async () => {
    await insert('dead');
    await insert('dead');
    await insert('failed');
    expect((await run(['requeue', '--all', '--limit', '1'], { columns: 100 })).out).toEqual([
      '1 of 1 requeued',
      '1 dead are left: run it again, or raise --limit',
      '1 failed are left, to be tried again by themselves; --status failed sends them now',
    ]);
  });

  it('knows no channel of that name, and says which there are', async () => {
    expect((await run(['requeue', '--channel', 'chta'])).err).toEqual([
      'notafter notifications requeue: there is no notification for a channel chta; there are no notifications at all',
    ]);
    await insert('sent');
    const { code, err } = await run(['requeue', '--channel', 'chta']);
    expect(code).toBe(1);
    expect(err[0]).toContain('for a channel chta; channels that have some: chat');
    const listed = await run(['list', '--channel', 'chta'], { columns: 100 });
    expect(listed).toMatchObject({ code: 0, err: [expect.stringContaining('channels that have some: chat')] });
  });

  it.each([
    ['neither ids nor a filter', ['requeue'], 'operator'],
    ['an id and a filter', ['requeue', idAt(now), '--status', 'dead'], 'operator'],
    ['both', ['requeue', idAt(now), '--all'], 'operator'],
    ['a role that may not', ['requeue', '--all'], 'viewer'],
  ] as const)('refuses %s', async (_, args, role) => {
    const { code, err } = await run(args, { role });
    expect(code).toBe(1);
    expect(err).toHaveLength(1);
  });
});
