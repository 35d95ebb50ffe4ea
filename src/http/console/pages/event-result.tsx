import type { FC } from 'hono/jsx';
import type { EventRow } from '../../../db/event-reads.ts';
import { Outcome } from '../parts/state.tsx';

/** How an event stands, in a word: applied, superseded, pending with its tries, gave up. */
export const EventResult: FC<{ event: Pick<EventRow, 'status' | 'outcome' | 'retry_count'> }> = ({ event }) => {
  const { status, outcome, retry_count: tries } = event;
  if (status === 'failed') return <Outcome of="bad">gave up</Outcome>;
  if (status === 'pending')
    return <Outcome of={tries > 0 ? 'warn' : 'wait'}>{tries > 0 ? `try ${tries + 1} next` : 'pending'}</Outcome>;
  return outcome === 'superseded' ? <Outcome of="none">superseded</Outcome> : <Outcome of="ok">applied</Outcome>;
};
