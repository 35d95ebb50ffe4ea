import type { Step } from './retention-step.ts';

const pageSize = 1000;

/** Removes rows by an index that holds them oldest first, so that a round is over when a page is not full. */
const rest = (count: number) => ({ last: count < pageSize ? null : 'more', removed: count });

/** Forgets the identities of events that were removed long ago. */
export const identitiesStep: Step = async (tx, { cutoff }) => {
  const { count } = await tx`
    delete from event_identities i
    where i.digest = any(array(
      select digest from event_identities where removed_at < to_timestamp(${cutoff} / 1000.0) order by removed_at limit ${pageSize}
      for update skip locked))`;
  return rest(count);
};

/** Removes sessions that ended. */
export const sessionsStep: Step = async (tx, { cutoff }) => {
  const { count } = await tx`
    delete from console_sessions s
    where s.hash = any(array(
      select hash from console_sessions where expires_at < to_timestamp(${cutoff} / 1000.0) order by expires_at limit ${pageSize}
      for update skip locked))`;
  return rest(count);
};

/** Removes counts of attempts to sign in that no longer count. */
export const accessAttemptsStep: Step = async (tx, { now }) => {
  const { count } = await tx`
    delete from access_attempts a
    where a.key = any(array(
      select key from access_attempts where expire < ${Math.floor(now)} limit ${pageSize} for update skip locked))`;
  return rest(count);
};
