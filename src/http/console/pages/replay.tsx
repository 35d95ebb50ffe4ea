import type { FC } from 'hono/jsx';
import type { ReplayFailure } from '../../../db/replays.ts';
import type { ReplayView } from '../../replay-acts.ts';
import { count, counted } from '../format.ts';
import { Head } from '../parts/frame.tsx';
import { Empty, Facts, Panel, Verdict } from '../parts/panel.tsx';
import { type Column, DataTable } from '../parts/table.tsx';
import { Link, Quoted, Time } from '../parts/text.tsx';
import { takenWords } from '../replay-words.ts';
import { useView } from '../view.ts';
import { errorClassWords } from '../words.ts';
import { ReplayButtons, ReplayProgress } from './replay-running.tsx';

interface ReplayProps {
  readonly replay: ReplayView;
  readonly failures: readonly ReplayFailure[];
}

const doneOf = ({ applied, failed_again: failed, skipped }: ReplayView): number => applied + failed + skipped;

/** How a replay stands, for the browser's tab. */
export const replayTitle = (replay: ReplayView): string => {
  const { id, state, total, applied, failed_again: failed } = replay;
  if (state === 'running') return `${count(doneOf(replay))} of ${count(total)}, replay ${id}`;
  if (state === 'paused') return `Paused: replay ${id}`;
  return `${count(applied)} applied, ${count(failed)} failed again, replay ${id}`;
};

const lookOf = ({ state, failed_again: failed }: ReplayView) => {
  if (state === 'paused') return { tone: 'expiring', icon: 'pause' } as const;
  if (state === 'running') return { tone: 'pending_issue', icon: 's-pending_issue' } as const;
  if (failed > 0) return { tone: 'tls_error', icon: 's-tls_error' } as const;
  return state === 'cancelled'
    ? ({ tone: 'plain', icon: 'stop' } as const)
    : ({ tone: 'issued', icon: 's-issued' } as const);
};

const verdictOf = (replay: ReplayView): string => {
  const { state, total, applied, failed_again: failed, skipped, left } = replay;
  const result = `${count(applied)} applied, ${count(failed)} failed again`;
  if (state === 'running') return `${count(doneOf(replay))} of ${counted(total, 'event')} done: ${result}`;
  if (state === 'paused') return `Paused with ${counted(left, 'event')} left: ${result}`;
  if (state === 'cancelled') return `Cancelled with ${counted(left, 'event')} left as they were: ${result}`;
  return skipped === 0 ? `Done: ${result}` : `Done: ${result}, ${count(skipped)} skipped`;
};

const Second: FC<{ replay: ReplayView }> = ({ replay: { state, paused_because: why, failed_again: failed } }) => {
  if (why !== null)
    return (
      <>
        Paused by itself: <Quoted text={why} />. Mend the cause first, then let it go on.
      </>
    );
  if (state === 'running') return <>It goes on if you leave this page or a worker restarts.</>;
  if (state === 'paused') return <>Nothing more is opened until somebody lets it go on.</>;
  return failed > 0 ? <>What failed again is kept, below by error.</> : <>What it took is no dead letter any more.</>;
};

const columns: readonly Column<ReplayFailure>[] = [
  {
    name: 'Error',
    kind: 'id',
    cell: ({ error_class: fault, pattern, fingerprint, retrying }) => (
      <>
        {pattern === null || fingerprint === null ? (
          <span class="quiet">replayed once more since</span>
        ) : (
          <Link to="dead-letters" params={{ fingerprint }}>
            <code>
              <Quoted text={pattern} max={200} />
            </code>
          </Link>
        )}
        <span class="sub">
          {fault === null ? '' : errorClassWords[fault]}
          {retrying > 0 && `, ${count(retrying)} will be tried again`}
          {fault === 'unresolved' && ', applied by itself once registered'}
        </span>
      </>
    ),
  },
  { name: 'Events', kind: 'num', cell: ({ events }) => count(events) },
];

const Details: FC<{ replay: ReplayView }> = ({ replay }) => {
  const { preferences } = useView();
  const { filter, facts, reason, planned_by: planner, executed_by: by, rate_per_second: perSecond } = replay;
  return (
    <Facts
      of={[
        ['Took', <Quoted text={takenWords(filter, facts, preferences.zone)} />],
        ['Events', `${count(replay.total)}, ${counted(facts.domains, 'domain')}, ${counted(facts.sources, 'source')}`],
        ['Reason', <Quoted text={reason} max={1000} />],
        ['Executed by', <Quoted text={by} max={120} />],
        planner === by ? null : ['Planned by', <Quoted text={planner} max={120} />],
        ['Rate', `${count(perSecond)} a second`],
        replay.force ? ['Force', 'also what was applied already'] : null,
        ['Started', <Time at={replay.executed_at} as="exact" />],
        ['Ended', <Time at={replay.finished_at} as="exact" />],
      ]}
    />
  );
};

/** A replay that was executed: how far it is, what failed again, and how to stop it. */
export const ReplayPage: FC<ReplayProps> = ({ replay, failures }) => {
  const { id } = replay;
  return (
    <>
      <Head
        crumb={
          <>
            <Link to="dead-letters">Dead letters</Link> / <Link to="replays">Replays</Link>
          </>
        }
        title={`Replay ${id}`}
        about={
          <>
            {counted(replay.total, 'event')}, by <Quoted text={replay.executed_by ?? replay.planned_by} max={80} />,{' '}
            <Time at={replay.executed_at ?? replay.created_at} />
          </>
        }
      />
      <Verdict
        {...lookOf(replay)}
        title={verdictOf(replay)}
        live="replays events"
        actions={<ReplayButtons replay={replay} back="replay" />}
      >
        <Second replay={replay} />
      </Verdict>
      <section class="panel running" id="progress" aria-label="Progress" data-live="replays events">
        <ReplayProgress replay={replay} />
      </section>
      <div class="grid grid-2">
        <Panel
          id="failed"
          title="Failed again"
          about={counted(replay.failed_again, 'event')}
          live="replays events dead-letters"
        >
          <DataTable
            caption="Failed again, by error"
            columns={columns}
            rows={failures}
            look="tight"
            small
            empty={<Empty title="Nothing failed again">An event that fails again stands here by its error.</Empty>}
          />
        </Panel>
        <Panel id="details" title="Replay" padded live="replays">
          <Details replay={replay} />
        </Panel>
      </div>
    </>
  );
};
