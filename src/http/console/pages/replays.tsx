import type { FC } from 'hono/jsx';
import { type ReplayState, replayStates } from '../../../db/schema-replays.ts';
import type { ReplayView } from '../../replay-acts.ts';
import { count } from '../format.ts';
import { ChoiceFilter, choicesOf, Filters } from '../parts/filters.tsx';
import { CsvLink } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Empty, Panel } from '../parts/panel.tsx';
import { Outcome, type outcomeMarks } from '../parts/state.tsx';
import { type Column, DataTable, Pager } from '../parts/table.tsx';
import { Link, Quoted, Time } from '../parts/text.tsx';
import { takenWords } from '../replay-words.ts';
import { useView } from '../view.ts';
import { sentence } from '../words.ts';

interface ReplaysProps {
  readonly replays: readonly ReplayView[];
  readonly next: string | null;
  readonly state: ReplayState | undefined;
  readonly size: number;
}

const marks = {
  planned: 'none',
  running: 'wait',
  paused: 'warn',
  done: 'ok',
  cancelled: 'none',
} as const satisfies Record<ReplayState, keyof typeof outcomeMarks>;

const markOf = ({ state, failed_again: failed }: ReplayView): keyof typeof outcomeMarks =>
  state === 'done' && failed > 0 ? 'bad' : marks[state];

const Took: FC<{ replay: ReplayView }> = ({ replay: { filter, facts } }) => {
  const { preferences } = useView();
  return <Quoted text={takenWords(filter, facts, preferences.zone)} max={240} />;
};

const columns: readonly Column<ReplayView>[] = [
  {
    name: 'Replay',
    kind: 'id',
    cell: (replay) => (
      <>
        <Link to={`replays/${replay.id}`}>Replay {replay.id}</Link>
        <span class="sub">
          <Outcome of={markOf(replay)}>{replay.state}</Outcome>
        </span>
      </>
    ),
  },
  { name: 'Took', cell: (replay) => <Took replay={replay} /> },
  {
    name: 'Who and why',
    cell: ({ executed_by: by, planned_by: planner, reason }) => (
      <>
        <Quoted text={by ?? planner} max={80} />
        {reason !== null && (
          <span class="sub">
            <Quoted text={`“${reason}”`} max={200} />
          </span>
        )}
      </>
    ),
  },
  { name: 'Events', kind: 'num', cell: ({ total }) => count(total) },
  {
    name: 'Result',
    cell: ({ applied, failed_again: failed, skipped, left }) => (
      <>
        {count(applied)} applied, {count(failed)} failed again
        <span class="sub">
          {count(skipped)} skipped, {count(left)} left
        </span>
      </>
    ),
  },
  { name: 'Started', width: 's', cell: ({ executed_at: at, created_at: made }) => <Time at={at ?? made} /> },
];

/** Every bulk replay that was executed, with who, why and what came of it. */
export const ReplaysPage: FC<ReplaysProps> = ({ replays, next, state, size }) => (
  <>
    <Head
      crumb={<Link to="dead-letters">Dead letters</Link>}
      title="Replays"
      about="Bulk replays, newest first. Those of single events stand in the timeline of the event."
    />
    <Panel
      id="list"
      title="Replays"
      quietTitle
      about={`${count(replays.length)} shown, newest first`}
      more={<CsvLink to="replays.csv" />}
      live="replays"
      foot={
        <Pager next={next} size={size}>
          A plan that nobody executes expires after 15 min.
        </Pager>
      }
    >
      <Filters to="replays">
        <ChoiceFilter
          name="state"
          label="State"
          any="All but plans"
          choices={choicesOf(replayStates, (value) => sentence(value))}
        />
      </Filters>
      <DataTable
        caption="Bulk replays"
        columns={columns}
        rows={replays}
        rowId={({ id }) => String(id)}
        empty={
          <Empty title={state === undefined ? 'No replays yet' : `No replays that are ${state}`}>
            Plan one from a group of <Link to="dead-letters">dead letters</Link>.
          </Empty>
        }
      />
    </Panel>
  </>
);
