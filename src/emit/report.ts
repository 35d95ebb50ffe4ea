import type { Delivery, Outcome } from './deliver.ts';
import type { EmitReport } from './run.ts';

const listedProblems = 20;
const settled: ReadonlySet<Outcome> = new Set(['accepted', 'duplicate', 'taken']);

/** What a person reads: good news for standard output, the rest for standard error. */
export interface ReportLines {
  readonly out: readonly string[];
  readonly err: readonly string[];
}

/** One line for each event of this run, older ones from the spool summed up, rejected ones named (the first twenty). */
export const reportLines = ({ deliveries, own, refusal, spoolProblem }: EmitReport): ReportLines => {
  const older = deliveries.slice(own);
  const rejected = older.filter(({ outcome }) => outcome === 'rejected').slice(0, listedProblems);
  const shown = [...deliveries.slice(0, own), ...rejected];
  const sent = older.filter(({ outcome }) => settled.has(outcome)).length;
  const waiting = older.filter(({ outcome }) => outcome === 'spooled').length;
  const out = shown.filter(({ outcome }) => settled.has(outcome)).map(deliveryLine);
  const err = shown.filter(({ outcome }) => !settled.has(outcome)).map(deliveryLine);
  if (sent > 0) out.push(`${sent} from the spool delivered`);
  if (waiting > 0) err.push(`${waiting} more in the spool`);
  if (spoolProblem !== undefined) err.push(spoolProblem);
  if (refusal !== undefined) err.push(`refused: ${refusal}. Mend the settings, then run notafter emit --flush.`);
  return { out, err };
};

/** The report as one JSON object: counts by outcome, then each event with its id at the server or what went wrong. */
export const reportJson = ({ deliveries, refusal, spoolProblem }: EmitReport): object => {
  const count = (wanted: Outcome): number => deliveries.filter(({ outcome }) => outcome === wanted).length;
  return {
    accepted: count('accepted'),
    duplicate: count('duplicate'),
    spooled: count('spooled'),
    rejected: count('rejected'),
    taken: count('taken'),
    lost: count('lost'),
    refusal,
    spoolProblem,
    events: deliveries.map(({ name: _name, ...rest }) => rest),
  };
};

const deliveryLine = ({ outcome, domain, eventType, eventId, message }: Delivery): string => {
  const words = [outcome, domain, eventType, eventId].filter((word) => word !== undefined).join(' ');
  return message === undefined ? words : `${words} (${message})`;
};
