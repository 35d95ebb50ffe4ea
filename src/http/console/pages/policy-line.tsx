import type { FC } from 'hono/jsx';
import type { PolicyReport } from '../../../lifecycle/policy-report.ts';
import { count, counted } from '../format.ts';
import { Time } from '../parts/text.tsx';

/** How the replay policy is set, and what it did when it last ran; `mode` is null where that is not told. */
export interface PolicyState {
  readonly mode: 'off' | 'dry-run' | 'on' | null;
  readonly report: PolicyReport | null;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, n) => all + n, 0);

/** One quiet line: whether dead letters are replayed by policy, and what came of it last. */
export const PolicyLine: FC<{ policy: PolicyState }> = ({ policy: { mode, report } }) => {
  if (mode === null) return null;
  if (mode === 'off') return <span>Replay by policy is off; nothing is replayed by itself.</span>;
  const name = mode === 'on' ? 'Replay by policy is on.' : 'Replay by policy is in dry run; it changes nothing.';
  if (report === null) return <span>{name} It has not run yet.</span>;
  const n = sum(Object.values(report.replayed));
  const told = sum(report.escalations.map(({ events }) => events));
  const waiting = sum(report.waiting.map(({ events }) => events));
  return (
    <span>
      {name} Its run <Time at={report.at} /> {report.mode === 'on' ? 'replayed' : 'would have replayed'}{' '}
      {counted(n, 'event')}, left {count(waiting)} alone for now and{' '}
      {report.mode === 'on' ? 'escalated' : 'would have escalated'} {count(told)}.
    </span>
  );
};
