import type { FC } from 'hono/jsx';
import type { DeadLetterFilter, DeadLetterGroup, DeadLetterTotals } from '../../../db/dead-letters.ts';
import type { EventRow } from '../../../db/event-reads.ts';
import { errorClasses, eventTypes } from '../../../lifecycle/types.ts';
import type { ReplayView } from '../../replay-acts.ts';
import { count, counted, shortId } from '../format.ts';
import { ChoiceFilter, choicesOf, Filters, TextFilter } from '../parts/filters.tsx';
import { CsvLink, PostButton, SelectionBar, Submit } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Empty, Panel } from '../parts/panel.tsx';
import { type Column, DataTable, Pager, shownOf } from '../parts/table.tsx';
import { Host, Link, Quoted, Time } from '../parts/text.tsx';
import { planFields } from '../replay-words.ts';
import { samePage, useView } from '../view.ts';
import { errorClassWords, eventWords, sentence } from '../words.ts';
import { GroupTable } from './dead-letter-groups.tsx';
import { Sender, SenderAndTime } from './events.tsx';
import { PolicyLine, type PolicyState } from './policy-line.tsx';
import { RunningPanel } from './replay-running.tsx';

interface DeadLettersProps {
  readonly groups: readonly DeadLetterGroup[];
  readonly names: ReadonlyMap<string, string>;
  readonly nextGroups: string | null;
  readonly totals: DeadLetterTotals;
  readonly filter: DeadLetterFilter;
  readonly events: readonly EventRow[];
  readonly next: string | null;
  readonly running: readonly ReplayView[];
  readonly policy: PolicyState;
  /** Tries an event has in all, and replays by policy. */
  readonly most: number;
  readonly maxReplays: number;
  readonly size: number;
}

/** The page in the browser's tab, verdict first. */
export const deadLettersTitle = ({ events }: DeadLetterTotals): string =>
  events === 0 ? 'No dead letters' : counted(events, 'dead letter');

const About: FC<{ totals: DeadLetterTotals }> = ({ totals: { events, groups, domains } }) => (
  <>
    {events === 0
      ? 'No event has given up.'
      : `${counted(events, 'event')} gave up, ${counted(groups, 'kind')} of error, ${counted(domains, 'domain')}.`}{' '}
    Nothing is lost: each is kept until it is replayed.
  </>
);

const Choices: FC<{ filter: DeadLetterFilter }> = ({ filter }) => (
  <Filters
    to="dead-letters"
    keep={{ fingerprint: filter.fingerprint }}
    chips={filter.fingerprint === undefined ? [] : [{ name: 'fingerprint', text: 'one error' }]}
  >
    <TextFilter name="domain" label="Domain" placeholder="Domain or *.suffix" />
    <ChoiceFilter
      name="errorClass"
      label="Class"
      any="Any class"
      choices={choicesOf(errorClasses, (value) => sentence(errorClassWords[value]))}
    />
    <ChoiceFilter
      name="eventType"
      label="Type"
      any="Any type"
      choices={choicesOf(eventTypes, (value) => sentence(eventWords[value]))}
    />
    <SenderAndTime filter={filter} />
  </Filters>
);

const columns = (most: number): readonly Column<EventRow>[] => [
  {
    name: 'Event',
    kind: 'id',
    cell: ({ id, event_type: type }) => (
      <>
        <Link to={`events/${id}`}>
          <code>{shortId(id)}</code>
        </Link>
        <span class="nowrap sub">{eventWords[type]}</span>
      </>
    ),
  },
  { name: 'Domain', cell: ({ domain }) => <Host name={domain} /> },
  { name: 'Source', cell: (event) => <Sender of={event} /> },
  {
    name: 'Last error',
    kind: 'err',
    cell: ({ error_class: fault, last_error: error }) => (
      <>
        {fault !== null && `${errorClassWords[fault]}: `}
        <Quoted text={error} max={240} />
      </>
    ),
  },
  {
    name: 'Tries',
    cell: ({ retry_count: tries, dlq_replay_count: replays }) => (
      <>
        {tries}/{most}
        {tries < most && <span class="sub">permanent</span>}
        {replays > 0 && <span class="sub">replayed {replays}×</span>}
      </>
    ),
  },
  { name: 'Gave up', width: 's', cell: ({ processed_at: at }) => <Time at={at} /> },
];

const Nothing: FC = () => {
  const { query } = useView();
  const filtered = [...query.keys()].some((name) => name !== 'cursor');
  return filtered ? (
    <Empty title="No dead letters that match">
      Change or remove a filter, or look at <Link to="dead-letters">all dead letters</Link>.
    </Empty>
  ) : (
    <Empty title="No dead letters">
      Every event was applied or is on its way. An event whose tries are used up stands here until it is replayed.
    </Empty>
  );
};

const Groups: FC<DeadLettersProps> = (props) => {
  const { groups, names, totals, filter, policy, maxReplays, nextGroups } = props;
  const view = useView();
  return (
    <Panel
      id="groups"
      title="By error"
      about={`${counted(totals.groups, 'group')}, ${counted(totals.events, 'event')}`}
      live="dead-letters"
      foot={
        policy.mode === null && nextGroups === null ? undefined : (
          <>
            <PolicyLine policy={policy} />
            {nextGroups !== null && (
              <span class="end">
                <a href={samePage(view, { groups: nextGroups })}>Next groups</a>
              </span>
            )}
          </>
        )
      }
    >
      <Choices filter={filter} />
      {totals.events === 0 ? (
        <Nothing />
      ) : (
        <GroupTable {...{ groups, names, filter, maxReplays }} report={policy.report} />
      )}
    </Panel>
  );
};

const Events: FC<DeadLettersProps> = ({ events, totals, filter, next, most, size }) => {
  const { query } = useView();
  const about = query.has('cursor')
    ? `${count(totals.events)}, newest first`
    : shownOf(count(events.length), count(totals.events), 'newest first');
  return (
    <Panel
      id="list"
      title="Events"
      about={about}
      more={
        <>
          <CsvLink to="dead-letters.csv" />
          <PostButton
            to="replays/plan"
            fields={planFields({ ...filter, status: 'failed' })}
            needs="operator"
            small
            icon="replay"
            busy="Planning…"
          >
            Plan all {count(totals.events)}…
          </PostButton>
        </>
      }
      live="dead-letters"
      foot={
        <Pager next={next} size={size}>
          Select rows to replay a few; plan a replay to take a whole group, or all that match.
        </Pager>
      }
    >
      <DataTable
        caption="Dead letters, single events"
        columns={columns(most)}
        rows={events}
        rowId={({ id }) => id}
        ticks={{ form: 'pick', value: ({ id }) => id, label: ({ id }) => `Select event ${shortId(id)}` }}
      />
      <SelectionBar form="pick" action="replays/plan">
        <Submit small needs="operator" icon="replay" busy="Planning…" data-some>
          Replay selected…
        </Submit>
      </SelectionBar>
    </Panel>
  );
};

/** What was given up: by cause, with what to do about each, and one by one. */
export const DeadLettersPage: FC<DeadLettersProps> = (props) => {
  const { totals, running } = props;
  return (
    <>
      <Head
        title="Dead letters"
        about={<About totals={totals} />}
        actions={
          <Link to="replays" class="btn">
            Past replays
          </Link>
        }
      />
      {running.map((replay) => (
        <RunningPanel replay={replay} back="dead-letters" />
      ))}
      <Groups {...props} />
      {totals.events > 0 && <Events {...props} />}
    </>
  );
};
