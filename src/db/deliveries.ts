import { lateResolve, type OutboxNotice, type ResolvedFacts } from '../lifecycle/alerts.ts';
import type { AfterTry, Delivery } from '../lifecycle/delivery.ts';
import type { Db, Tx } from './client.ts';
import { raiseCounters, type Sample } from './counters.ts';
import { ms } from './epoch.ts';
import { insertNotices } from './outbox.ts';
import { retrying } from './retry.ts';

/** A row of the outbox that this process has lent itself for one try. */
export interface Claimed extends OutboxNotice {
  readonly seq: number;
  readonly domainId: string | null;
  /** Tries before this one. */
  readonly tries: number;
  readonly requeues: number;
}

/** How a try ended, and what follows from it. Times are epoch milliseconds. */
export interface Tried {
  readonly row: Claimed;
  readonly delivery: Delivery;
  readonly after: AfterTry;
  readonly at: number;
  readonly durationMs: number;
}

/**
 * Lends the caller rows of one channel that are due, the longest due first, until `leaseMs` from now. A row waits while an
 * earlier one of its alert is not delivered yet, so that a receiver hears of an alert in order.
 */
export const claimDueNotices = async (
  { sql }: Pick<Db, 'sql'>,
  channel: string,
  { now, limit, leaseMs }: { readonly now: number; readonly limit: number; readonly leaseMs: number },
): Promise<Claimed[]> => {
  // The first of its alert by a scalar: an anti-join would be worked out for all that waits, with every claim.
  const rows = await sql<Claimed[]>`
    with due as (
      select n.seq from certificate_notifications n
      where n.channel = ${channel} and n.next_attempt_at <= to_timestamp(${now} / 1000.0) and n.status in ('pending', 'failed')
        and n.seq = (
          select min(e.seq) from certificate_notifications e
          where e.channel = n.channel and e.alert_key = n.alert_key and e.status in ('pending', 'failed'))
      order by n.next_attempt_at limit ${limit} for update skip locked)
    update certificate_notifications n set next_attempt_at = to_timestamp(${now + leaseMs} / 1000.0)
    from due where n.seq = due.seq
    returning n.seq::float8 as seq, n.id, n.kind, n.action, n.alert_key as "alertKey", n.cycle, n.class, n.severity, n.route, n.channel,
      n.domain_id as "domainId", n.domain, n.org_id as "orgId", n.summary, n.body, n.tries, n.requeues,
      ${ms(sql, 'n.fired_at')} as "firedAt", ${ms(sql, 'n.created_at')} as "createdAt"`;
  return rows.toSorted((a, b) => a.seq - b.seq);
};

/** Gives rows back that were not tried: they are due again at once. */
export const releaseNotices = async ({ sql }: Db, rows: readonly Claimed[], now: number): Promise<void> => {
  await sql`
    update certificate_notifications n set next_attempt_at = to_timestamp(${now} / 1000.0)
    from unnest(${rows.map(({ seq }) => seq)}::int8[], ${rows.map(({ tries }) => tries)}::int[], ${rows.map(({ requeues }) => requeues)}::int[])
      as u(seq, tries, requeues)
    where n.seq = u.seq and n.tries = u.tries and n.requeues = u.requeues and n.next_attempt_at is not null`;
};

/** Names of the channels that have something due. */
export const dueChannels = async ({ sql }: Pick<Db, 'sql'>, now: number): Promise<string[]> => {
  const rows = await sql<{ channel: string }[]>`
    select distinct channel from certificate_notifications where next_attempt_at <= to_timestamp(${now} / 1000.0)`;
  return rows.map(({ channel }) => channel);
};

const errorOf = ({ delivery }: Tried): string | null => (delivery.kind === 'sent' ? null : delivery.error);

const noteAttempts = (tx: Tx, tried: readonly Tried[]) => tx`
  insert into notification_attempts (notification_id, attempt, delivered, status, error, snippet, duration_ms, created_at)
  select u.id, u.attempt, u.delivered = 1, u.status, u.error, u.snippet, u.ms, to_timestamp(u.at / 1000)
  from unnest(${tried.map(({ row }) => row.id)}::uuid[], ${tried.map(({ row }) => row.tries + 1)}::int[],
    ${tried.map(({ delivery }) => Number(delivery.kind === 'sent'))}::int2[], ${tried.map(({ delivery }) => delivery.status)}::int[],
    ${tried.map(errorOf)}::text[], ${tried.map(({ delivery }) => delivery.snippet)}::text[],
    ${tried.map(({ durationMs }) => Math.round(durationMs))}::int[], ${tried.map(({ at }) => at)}::float8[])
    as u(id, attempt, delivered, status, error, snippet, ms, at)`;

/** Writes the outcomes; a row that was tried by another since, or requeued, keeps what it has. @returns seqs of those written. */
const saveOutcomes = async (tx: Tx, tried: readonly Tried[]): Promise<ReadonlySet<number>> => {
  const rows = await tx<{ seq: number }[]>`
    update certificate_notifications n set
      status = u.status, tries = u.tries + 1, next_attempt_at = to_timestamp(u.next_at / 1000), last_error = u.error,
      sent_at = case when u.status = 'sent' then to_timestamp(u.at / 1000) end, updated_at = to_timestamp(u.at / 1000)
    from unnest(${tried.map(({ row }) => row.seq)}::int8[], ${tried.map(({ row }) => row.tries)}::int[],
      ${tried.map(({ row }) => row.requeues)}::int[], ${tried.map(({ after }) => after.status)}::text[],
      ${tried.map(({ after }) => after.nextAttemptAt)}::float8[], ${tried.map(errorOf)}::text[], ${tried.map(({ at }) => at)}::float8[])
      as u(seq, tries, requeues, status, next_at, error, at)
    where n.seq = u.seq and n.tries = u.tries and n.requeues = u.requeues and n.status in ('pending', 'failed')
    returning n.seq::float8 as seq`;
  return new Set(rows.map(({ seq }) => seq));
};

/**
 * An alert that could not be sent does not count as sent: where no channel took a notice, its alert's count goes back by
 * one, and a channel that was never told is not told of the end. The settle pass then sets the next reminder anew.
 */
const takeBack = async (tx: Tx, seqs: readonly number[], now: number): Promise<void> => {
  const lost = tx`(select * from certificate_notifications where seq = any(${[...seqs]}::int8[]) and action = 'fire')`;
  await tx`select id from custom_domains where id in (select l.domain_id from ${lost} l) order by id for update`;
  await tx`
    update certificate_alerts a set
      alert_count = greatest(a.alert_count - u.alerts, 0), runbook_count = greatest(a.runbook_count - u.runbooks, 0),
      channels = array(
        select c from unnest(a.channels) c where not (c = any(u.channels)) or exists (
          select 1 from certificate_notifications o
          where (o.domain_id = a.domain_id or (o.domain_id is null and a.domain_id is null)) and o.alert_key = a.key and o.channel = c and o.action = 'fire' and o.status <> 'dead'))
    from (
      select l.alert_key, array_agg(l.channel) as channels,
        count(distinct l.created_at) filter (where l.kind = 'alert' and l.created_at = b.alerted_at and not h.heard) as alerts,
        count(distinct l.created_at) filter (where l.kind = 'runbook' and l.created_at = b.runbook_at and not h.heard) as runbooks
      from ${lost} l join certificate_alerts b on b.key = l.alert_key
      cross join lateral (
        select exists (
          select 1 from certificate_notifications o
          where (o.domain_id = l.domain_id or (o.domain_id is null and l.domain_id is null)) and o.alert_key = l.alert_key and o.kind = l.kind and o.action = 'fire'
            and o.created_at = l.created_at and o.status <> 'dead') as heard) h
      group by l.alert_key) u
    where a.key = u.alert_key`;
  await tx`
    update custom_domains set look_due_at = to_timestamp(${now} / 1000.0)
    where alerting and id in (select l.domain_id from ${lost} l)`;
};

/** A channel that was told late, by a requeue, is told of the end as well; not one that is just about to be told of an end. */
const remember = (tx: Tx, seqs: readonly number[]) => tx`
  update certificate_alerts a set channels = array(select unnest(a.channels) union select unnest(u.channels))
  from (select n.alert_key, array_agg(n.channel) as channels from certificate_notifications n
    where n.seq = any(${[...seqs]}::int8[]) and n.kind = 'alert' and n.action = 'fire'
      and not exists (
        select 1 from certificate_notifications o
        where o.channel = n.channel and o.alert_key = n.alert_key and o.action = 'resolve' and o.status in ('pending', 'failed'))
    group by n.alert_key) u
  where a.key = u.alert_key`;

/** Where an alert was over before a requeued notice of it arrived, the channel is told so, once. */
const endLate = async (tx: Tx, late: readonly Claimed[], now: number): Promise<void> => {
  const over = await tx<(ResolvedFacts & { seq: number })[]>`
    select distinct on (n.alert_key) n.seq::float8 as seq, coalesce(d.tls_status, n.body ->> 'status') as status, d.tls_last_error as error
    from certificate_notifications n left join custom_domains d on d.id = n.domain_id
    where n.seq = any(${late.map(({ seq }) => seq)}::int8[]) and n.kind = 'alert' and n.action = 'fire'
      and not exists (select 1 from certificate_alerts a where a.key = n.alert_key)
      and not exists (
        select 1 from certificate_notifications o
        where o.channel = n.channel and o.alert_key = n.alert_key and o.action = 'resolve' and o.status in ('pending', 'failed'))
    order by n.alert_key, n.seq desc`;
  const ends = over.flatMap(({ seq, ...current }) =>
    late
      .filter((row) => row.seq === seq)
      .flatMap((row) => lateResolve(row, current, now).map((notice) => ({ ...notice, domainId: row.domainId }))),
  );
  if (ends.length > 0) await insertNotices(tx, ends);
};

const samplesOf = ({ row, delivery, after }: Tried): Sample[] => {
  const sent = delivery.kind === 'sent';
  const sla = row.class === 'renewal_sla_warning' || row.class === 'renewal_sla_breach';
  const samples: Sample[] = [
    { name: 'fdt_cert_notifications_total', labels: { channel: row.channel, result: after.status } },
  ];
  const count = (name: Sample['name']): void => void samples.push({ name, labels: {} });
  if (row.kind === 'runbook')
    count(sent ? 'fdt_cert_runbook_triggers_total' : 'fdt_cert_runbook_trigger_failures_total');
  else if (sent && row.action === 'fire')
    count(sla ? 'fdt_cert_renewal_sla_alerts_sent_total' : 'fdt_cert_alerts_sent_total');
  if (after.status === 'dead') count('certctl_notification_dead_total');
  return samples;
};

/** Writes how tries ended: attempts, statuses, what follows for the alerts, counters, all in one transaction. */
export const saveTried = ({ sql }: Db, tried: readonly Tried[], now: number): Promise<void> => {
  let again = false;
  return retrying(() =>
    sql.begin(async (tx) => {
      const first = !again;
      again = true;
      const [written] = await Promise.all([saveOutcomes(tx, tried), first ? noteAttempts(tx, tried) : null]);
      const counted = tried.filter(({ row }) => written.has(row.seq));
      // The first time may have been committed although nobody heard of it: what it noted is not noted twice.
      if (!first && counted.length > 0) await noteAttempts(tx, counted);
      const seqs = (wanted: (one: Tried) => boolean): number[] => counted.filter(wanted).map(({ row }) => row.seq);
      const dead = seqs(({ after }) => after.status === 'dead');
      const late = counted
        .filter(({ row, after }) => after.status === 'sent' && row.requeues > 0)
        .map(({ row }) => row);
      if (dead.length > 0) await takeBack(tx, dead, now);
      if (late.length > 0) {
        await remember(
          tx,
          late.map(({ seq }) => seq),
        );
        await endLate(tx, late, now);
      }
      // failpoint: deliver.saving
      await raiseCounters(tx, counted.flatMap(samplesOf));
    }),
  );
};

/** Gives up what is due on a channel that is configured no more and waits since before `before` (epoch ms). @returns how many. */
export const giveUpChannel = ({ sql }: Db, channel: string, before: number, now: number): Promise<number> =>
  sql.begin(async (tx) => {
    const error = `the channel ${channel} is not configured any more; configure it and requeue, or leave it`;
    const rows = await tx<{ seq: number }[]>`
      update certificate_notifications set status = 'dead', next_attempt_at = null, last_error = ${error},
        updated_at = to_timestamp(${now} / 1000.0)
      where seq in (
        select seq from certificate_notifications
        where channel = ${channel} and next_attempt_at <= to_timestamp(${now} / 1000.0) and created_at < to_timestamp(${before} / 1000.0)
          and updated_at < to_timestamp(${before} / 1000.0)
        order by next_attempt_at limit 1000 for update skip locked)
      returning seq::float8 as seq`;
    if (rows.length === 0) return 0;
    await takeBack(
      tx,
      rows.map(({ seq }) => seq),
      now,
    );
    const dead: Sample = { name: 'certctl_notification_dead_total', labels: {} };
    const ended: Sample = { name: 'fdt_cert_notifications_total', labels: { channel, result: 'dead' } };
    await raiseCounters(
      tx,
      rows.flatMap(() => [dead, ended]),
    );
    return rows.length;
  });
