import type { Tx } from './client.ts';
import type { Step, Stepped } from './retention-step.ts';

const pageSize = 500;
const leastId = '00000000-0000-0000-0000-000000000000';

/** What a page came to: its last key, whether there may be another one, and how many of its rows are gone. */
interface Page {
  readonly last: string | null;
  readonly more: boolean;
  readonly removed: number;
}

const stepped = ([page]: readonly Page[]): Stepped => ({
  last: page?.more === true ? page.last : null,
  removed: page?.removed ?? 0,
});

const before = (tx: Tx, column: string, cutoff: number) => tx`${tx(column)} < to_timestamp(${cutoff} / 1000.0)`;

/** Keys are given in the order of time: a page that reaches rows that are not old is the last one. */
const summary = (tx: Tx, key: string, cutoff: number) => tx`
  select (array_agg(${tx(key)} order by ${tx(key)} desc))[1]::text as last,
    count(*) = ${pageSize} and coalesce(bool_and(${before(tx, 'created_at', cutoff)}), false) as more,
    (select count(*)::int from gone) as removed
  from page`;

/** Removes notifications that were sent or given up, with the tries to deliver them; what is still to be sent stays. */
export const notificationsStep: Step = async (tx, { after, cutoff }) =>
  stepped(
    await tx<Page[]>`
      with page as materialized (
        select seq, created_at from certificate_notifications where seq > ${after ?? '0'}::bigint order by seq limit ${pageSize}
      ), chosen as materialized (
        select n.seq from page p join certificate_notifications n on n.seq = p.seq
        where n.status in ('sent', 'dead') and ${before(tx, 'n.created_at', cutoff)} and ${before(tx, 'n.updated_at', cutoff)}
        order by n.seq for update of n skip locked
      ), gone as (
        delete from certificate_notifications n using chosen c where n.seq = c.seq returning n.id
      ), tries as (
        delete from notification_attempts a using gone g where a.notification_id = g.id
      ) ${summary(tx, 'seq', cutoff)}`,
  );

/** Removes what looks found, but not the latest of each address: it says since when that is served. */
export const observationsStep: Step = async (tx, { after, cutoff }) =>
  stepped(
    await tx<Page[]>`
      with page as materialized (
        select id, created_at from probe_observations where id > ${after ?? '0'}::bigint order by id limit ${pageSize}
      ), chosen as materialized (
        select o.id from page p join probe_observations o on o.id = p.id
        where ${before(tx, 'o.created_at', cutoff)} and exists (
          select from probe_observations n where n.domain_id = o.domain_id and n.id > o.id and n.address = o.address)
        order by o.id for update of o skip locked
      ), gone as (
        delete from probe_observations o using chosen c where o.id = c.id returning o.id
      ) ${summary(tx, 'id', cutoff)}`,
  );

/** Removes incidents that were resolved long ago. */
export const incidentsStep: Step = async (tx, { after, cutoff }) =>
  stepped(
    await tx<Page[]>`
      with page as materialized (
        select id, created_at from certificate_incidents where id > ${after ?? leastId}::uuid order by id limit ${pageSize}
      ), chosen as materialized (
        select i.id from page p join certificate_incidents i on i.id = p.id
        where i.status = 'resolved' and ${before(tx, 'i.resolved_at', cutoff)} and ${before(tx, 'i.updated_at', cutoff)}
        order by i.id for update of i skip locked
      ), gone as (
        delete from certificate_incidents i using chosen c where i.id = c.id returning i.id
      ) ${summary(tx, 'id', cutoff)}`,
  );

/** Removes bulk replays that are over; the note of each replayed event goes with the event. */
export const replaysStep: Step = async (tx, { after, cutoff }) =>
  stepped(
    await tx<Page[]>`
      with page as materialized (
        select id, created_at from replays where id > ${after ?? '0'}::bigint order by id limit ${pageSize}
      ), chosen as materialized (
        select r.id from page p join replays r on r.id = p.id
        where ${before(tx, 'r.finished_at', cutoff)} order by r.id for update of r skip locked
      ), gone as (
        delete from replays r using chosen c where r.id = c.id returning r.id
      ) ${summary(tx, 'id', cutoff)}`,
  );
