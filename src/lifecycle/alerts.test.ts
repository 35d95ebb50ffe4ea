import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/properties.ts';
import type { Condition } from './alert-conditions.ts';
import {
  type AlertDecision,
  type AlertLimits,
  type AlertRow,
  decideAlerts,
  type LastNotice,
  type OutboxNotice,
  reminderWaitMs,
} from './alerts.ts';
import { domainClasses, type NoticeClass } from './notice.ts';
import type { ChannelTraits, Routing } from './notify-routes.ts';

const second = 1000;
const hour = 3600 * second;
const day = 24 * hour;
const start = Date.UTC(2026, 0, 1);
const alerting: ChannelTraits = { kinds: ['alert'], resolves: true };
const triggering: ChannelTraits = { kinds: ['runbook'], resolves: false };
const routing: Routing = {
  channels: new Map([
    ['chat', alerting],
    ['pager', alerting],
    ['runbook', triggering],
  ]),
  always: ['chat', 'runbook'],
  routes: [{ match: { severity: ['critical'] }, channels: ['pager'], stop: false }],
};
const limits: Omit<AlertLimits, 'now'> = {
  environment: 'prod',
  alertCooldownMs: 1800 * second,
  runbookCooldownMs: 900 * second,
  routing,
};
const subject = { id: '01890000-0000-7000-8000-000000000000', domain: 'a.example', orgId: null };
const well = { status: 'issued', error: null };
const condition = (noticeClass: NoticeClass, change: Partial<Condition> = {}): Condition => ({
  class: noticeClass,
  cycle: 'one',
  body: { domain: 'a.example', error: null },
  silenced: false,
  ...change,
});

/** What stands in the database, written by decisions as the settle pass does. */
class Desk {
  now = start;
  rows = new Map<string, AlertRow>();
  readonly sent: OutboxNotice[] = [];
  private readonly limits: Omit<AlertLimits, 'now'>;
  constructor(change: Partial<AlertLimits> = {}) {
    this.limits = { ...limits, ...change };
  }
  settle(...holding: readonly Condition[]): AlertDecision {
    const last = new Map<string, LastNotice>();
    for (const { alertKey, kind, cycle, createdAt, action } of this.sent)
      if (action === 'fire') last.set(`${alertKey} ${kind} ${cycle}`, { alertKey, kind, cycle, at: createdAt });
    const given = { ...this.limits, now: this.now };
    const decision = decideAlerts(subject, holding, [...this.rows.values()], [...last.values()], well, given);
    for (const row of decision.changed) this.rows.set(row.alertKey, row);
    for (const key of decision.ended) this.rows.delete(key);
    this.sent.push(...decision.notices);
    return decision;
  }
}

const told = ({ notices }: AlertDecision): string[] =>
  notices.map(({ class: noticeClass, action, channel }) => `${noticeClass} ${action} ${channel}`);

describe('decideAlerts', () => {
  it('tells every channel at once, and each reminder after twice the time', () => {
    const desk = new Desk({ runbookCooldownMs: 10 * day });
    const first = desk.settle(condition('tls_error'));
    expect(told(first)).toEqual(['tls_error fire chat', 'tls_error fire pager', 'tls_error fire runbook']);
    expect(first).toMatchObject({ alerting: true, nextReminderAt: start + 1800 * second });
    const waits: number[] = [];
    for (let round = 0; round < 8; round += 1) {
      const before = desk.now;
      desk.now = (desk.settle(condition('tls_error')).nextReminderAt ?? 0) - 1;
      expect(told(desk.settle(condition('tls_error')))).toEqual([]);
      desk.now += 1;
      expect(told(desk.settle(condition('tls_error')))).toEqual(['tls_error fire chat', 'tls_error fire pager']);
      waits.push((desk.now - before) / hour);
    }
    expect(waits).toEqual([0.5, 1, 2, 4, 8, 16, 24, 24]);
  });

  it('has a count and a cooldown of its own for the runbook', () => {
    const desk = new Desk();
    desk.settle(condition('expiring'));
    desk.now += 900 * second;
    expect(told(desk.settle(condition('expiring')))).toEqual(['expiring fire runbook']);
    desk.now += 900 * second;
    expect(told(desk.settle(condition('expiring')))).toEqual(['expiring fire chat']);
    desk.now += 900 * second;
    expect(told(desk.settle(condition('expiring')))).toEqual(['expiring fire runbook']);
  });

  it('tells the end once, to those who were told', () => {
    const desk = new Desk();
    desk.settle(condition('drift'));
    desk.now += second;
    const end = desk.settle();
    expect(told(end)).toEqual(['drift resolve chat']);
    expect(end).toMatchObject({ alerting: false, nextReminderAt: null, ended: [`${subject.id}:drift`] });
    expect(end.notices[0]?.body).toMatchObject({ status: 'issued', timestamp: new Date(desk.now).toISOString() });
    expect(told(desk.settle())).toEqual([]);
  });

  it('ends a warning when it becomes a breach', () => {
    const desk = new Desk();
    desk.settle(condition('renewal_sla_warning'));
    expect(told(desk.settle(condition('renewal_sla_breach')))).toEqual([
      'renewal_sla_warning resolve chat',
      'renewal_sla_breach fire chat',
      'renewal_sla_breach fire pager',
      'renewal_sla_breach fire runbook',
    ]);
  });

  it('is quiet while somebody has it in hand, but for its first notice', () => {
    const desk = new Desk();
    desk.settle(condition('tls_error', { silenced: true }));
    expect(desk.sent).toHaveLength(3);
    desk.now += day;
    const quiet = desk.settle(condition('tls_error', { silenced: true }));
    expect(told(quiet)).toEqual([]);
    expect(quiet.nextReminderAt).toBeGreaterThan(desk.now);
    expect(told(desk.settle(condition('tls_error')))).toHaveLength(3);
  });

  it('speaks at once of another certificate, and of its end to those who heard of the first', () => {
    const desk = new Desk();
    desk.settle(condition('tls_error'));
    desk.now += second;
    expect(told(desk.settle(condition('tls_error', { cycle: 'two' })))).toHaveLength(3);
    expect([...desk.rows.values()]).toMatchObject([{ cycle: 'two', firedAt: desk.now, alert: { count: 1 } }]);
    desk.now += second;
    expect(told(desk.settle())).toEqual(['tls_error resolve chat', 'tls_error resolve pager']);
  });

  it('waits out the cooldown with an alert that ends and comes again', () => {
    const desk = new Desk();
    desk.settle(condition('expiring'));
    desk.now += 60 * second;
    desk.settle();
    desk.now += 60 * second;
    const again = desk.settle(condition('expiring'));
    expect(again).toMatchObject({ notices: [], alerting: true, nextReminderAt: start + 900 * second });
    expect(told(desk.settle())).toEqual([]);
    desk.settle(condition('expiring'));
    desk.now = start + 1800 * second;
    expect(told(desk.settle(condition('expiring')))).toEqual(['expiring fire chat', 'expiring fire runbook']);
  });

  it('counts nothing as told where there is nobody to tell', () => {
    const desk = new Desk({ routing: { channels: new Map(), always: [], routes: [] } });
    const first = desk.settle(condition('tls_error'));
    expect(first).toMatchObject({ notices: [], alerting: true, nextReminderAt: start + 1800 * second });
    expect([...desk.rows.values()]).toMatchObject([{ alert: { count: 0 }, channels: [] }]);
    desk.now += 10 * day;
    expect(desk.settle(condition('tls_error')).nextReminderAt).toBe(desk.now + 1800 * second);
  });

  it.each([
    [1800, 0, 1800],
    [1800, 1, 1800],
    [1800, 2, 3600],
    [1800, 6, 57_600],
    [1800, 7, 86_400],
    [1800, 5000, 86_400],
    [604_800, 1, 604_800],
    [604_800, 9, 604_800],
  ])('waits from a cooldown of %i s, after notice %i, %i s', (cooldown, count, expected) => {
    expect(reminderWaitMs(cooldown * second, count)).toBe(expected * second);
  });
});

interface Step {
  readonly wait: number;
  readonly classes: readonly NoticeClass[];
  readonly cycle: string;
  readonly silenced: boolean;
}
const step: fc.Arbitrary<Step> = fc.record({
  wait: fc.integer({ min: 0, max: 4000 * second }),
  classes: fc.subarray([...domainClasses]),
  cycle: fc.constantFrom('one', 'one', 'one', 'two'),
  silenced: fc.boolean(),
});

/** Every run of decisions, with how soon each notice came after the one before it and what each channel heard. */
const historyOf = (steps: readonly Step[]) => {
  const desk = new Desk();
  const decisions = steps.map(({ wait, classes, cycle, silenced }) => {
    desk.now += wait;
    const decision = desk.settle(...classes.map((one) => condition(one, { cycle, silenced })));
    return { ...decision, holds: classes.length > 0, late: (decision.nextReminderAt ?? Infinity) <= desk.now };
  });
  desk.now += second;
  desk.settle();
  const fires = Map.groupBy(
    desk.sent.filter(({ action }) => action === 'fire'),
    ({ alertKey, kind, cycle, channel }) => `${alertKey} ${kind} ${cycle} ${channel}`,
  );
  const tooSoon = [...fires.values()].flatMap((mine) =>
    mine.filter(({ kind, createdAt }, index) => {
      const cooldown = kind === 'alert' ? limits.alertCooldownMs : limits.runbookCooldownMs;
      return createdAt - (mine[index - 1]?.createdAt ?? Number.NEGATIVE_INFINITY) < cooldown;
    }),
  );
  const heard = Map.groupBy(
    desk.sent.filter(({ kind }) => kind === 'alert'),
    ({ alertKey, channel }) => `${alertKey} ${channel}`,
  );
  const stories = [...heard.values()].map((mine) => mine.map(({ action }) => action).join(' '));
  return { decisions, tooSoon, stories, ids: desk.sent.map(({ id }) => id) };
};

describe('whatever the order of settles', () => {
  it('no key has two notices of one certificate within the cooldown, and each told channel hears one end', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { decisions, tooSoon, stories, ids } = historyOf(steps);
        expect(decisions.filter((one) => one.alerting !== one.holds || one.late)).toEqual([]);
        expect(tooSoon).toEqual([]);
        expect(stories.filter((story) => !/^(?:(?:fire )+resolve ?)*$/.test(story))).toEqual([]);
        expect(new Set(ids).size).toBe(ids.length);
      }),
      cases(500),
    );
  });
});
