import type { FC } from 'hono/jsx';
import type { SourceRow } from '../../../db/source-reads.ts';
import type { SilentSource } from '../../../lifecycle/self-watch.ts';
import { type EventStatus, eventStatuses } from '../../../lifecycle/types.ts';
import { count, counted, rate, span } from '../format.ts';
import { Bars } from '../parts/charts.tsx';
import { ChoiceFilter, choicesOf, Filters, TextFilter } from '../parts/filters.tsx';
import { ActionLink } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Empty, Panel, Verdict } from '../parts/panel.tsx';
import { CsvButton } from '../parts/pick.tsx';
import { Mark, Outcome, type outcomeMarks } from '../parts/state.tsx';
import { type Column, DataTable, Pager } from '../parts/table.tsx';
import { Link, Quoted, Time } from '../parts/text.tsx';
import { useView } from '../view.ts';
import { eventWords, sentence } from '../words.ts';

/** A sender, how much it sends, and whether it is silent against its own rhythm. */
export interface ShownSource extends SourceRow {
  /** By clock hour, oldest first; null where it sent nothing for a day. */
  readonly hours: readonly number[] | null;
  /** Milliseconds; null where it sent too little to say. */
  readonly usualMs: number | null;
  readonly silent: SilentSource | null;
}

interface SourcesProps {
  readonly rows: readonly ShownSource[];
  readonly next: string | null;
  readonly size: number;
  readonly silent: readonly SilentSource[];
  /** All senders that were ever heard of. */
  readonly total: number;
}

const eventMarks: Readonly<Record<EventStatus, keyof typeof outcomeMarks>> = {
  pending: 'wait',
  applied: 'ok',
  failed: 'bad',
};

/** `certbot:eu-edge-2`, as it stands in names of alerts. */
export const senderName = (source: string, clusterId: string | null): string =>
  clusterId === null || clusterId === '' ? source : `${source}:${clusterId}`;

const sumOf = (hours: readonly number[] | null): number => (hours ?? []).reduce((sum, n) => sum + n, 0);

const Silence: FC<{ of: ShownSource }> = ({ of: { silent, usualMs, last_seen_at: seen } }) => {
  if (silent !== null)
    return (
      <>
        <Mark tone="tls_error" icon="silent">
          silent
        </Mark>
        <span class="sub">usually every {span(silent.expectedIntervalMs)}</span>
      </>
    );
  if (usualMs !== null)
    return (
      <>
        <Mark tone="issued" icon="s-issued">
          in rhythm
        </Mark>
        <span class="sub">usually every {span(usualMs)}</span>
      </>
    );
  return <span class="faint">{seen === null ? 'never heard' : 'not known yet'}</span>;
};

const Amount: FC<{ of: readonly number[] | null }> = ({ of }) => (
  <>
    {count(sumOf(of))}
    {of !== null && <span class="sub">{rate(sumOf(of) / 24)} an hour</span>}
  </>
);

const columns: readonly Column<ShownSource>[] = [
  {
    name: 'Source',
    kind: 'id',
    cell: ({ source, cluster_id: cluster }) => (
      <>
        <Link to="events" params={{ source, clusterId: cluster }}>
          <Quoted text={source} max={80} />
        </Link>
        <span class="sub">{cluster === null ? 'no cluster' : <Quoted text={cluster} max={120} />}</span>
      </>
    ),
  },
  { name: 'Rhythm', width: 'm', cell: (row) => <Silence of={row} /> },
  { name: 'Last seen', width: 's', cell: ({ last_seen_at: at }) => <Time at={at} /> },
  {
    name: 'Last event',
    cell: ({ last_event_id: id, last_event_type: type, last_status: status }) =>
      type === null ? (
        <span class="faint">none yet</span>
      ) : (
        <>
          {id === null ? eventWords[type] : <Link to={`events/${id}`}>{eventWords[type]}</Link>}
          {status !== null && (
            <span class="sub">
              <Outcome of={eventMarks[status]}>{status}</Outcome>
            </span>
          )}
        </>
      ),
  },
  { name: '24 hours', kind: 'num', cell: ({ hours }) => <Amount of={hours} /> },
  {
    name: 'By hour',
    width: 'm',
    cell: ({ hours }) =>
      hours === null ? (
        <span class="faint">–</span>
      ) : (
        <span class="volume">
          <Bars values={hours} />
        </span>
      ),
  },
  { name: 'All events', kind: 'num', cell: ({ events_total: n }) => count(n) },
  {
    name: 'Bad signatures',
    kind: 'num',
    cell: ({ signature_failures: n }) =>
      n === 0 ? (
        '0'
      ) : (
        <Mark tone="tls_error" icon="s-tls_error">
          {count(n)}
        </Mark>
      ),
  },
];

const Choices: FC = () => (
  <Filters to="sources">
    <TextFilter name="source" label="Source" />
    <TextFilter name="clusterId" label="Cluster" />
    <ChoiceFilter
      name="status"
      label="Last event"
      any="Last event: any"
      choices={choicesOf(eventStatuses, (value) => `Last event ${value}`)}
    />
  </Filters>
);

const SilentVerdict: FC<{ of: readonly SilentSource[] }> = ({ of }) => {
  const [first, ...others] = of;
  if (first === undefined) return null;
  const name = senderName(first.source, first.clusterId);
  return (
    <Verdict
      tone="expiring"
      icon="silent"
      live="events"
      title={
        <>
          <Quoted text={sentence(name)} max={200} /> is silent for <Time at={first.since} as="since" />
        </>
      }
      actions={
        <ActionLink to="events" params={{ source: first.source, clusterId: first.clusterId ?? undefined }}>
          See its events
        </ActionLink>
      }
    >
      Usually it sends an event every {span(first.expectedIntervalMs)}. Look whether its hook still runs, and whether
      its key is still accepted.
      {others.length > 0 &&
        ` Silent as well: ${others
          .slice(0, 5)
          .map((other) => senderName(other.source, other.clusterId))
          .join(', ')}${others.length > 5 ? ` and ${count(others.length - 5)} more` : ''}.`}
    </Verdict>
  );
};

/** The verdict of the page, for its tab. */
export const sourcesTitle = ({ silent, total }: Pick<SourcesProps, 'silent' | 'total'>): string =>
  silent.length === 0 ? counted(total, 'source') : counted(silent.length, 'silent source');

/** Who sends events, how much, and who has fallen silent. */
export const SourcesPage: FC<SourcesProps> = (props) => {
  const { rows, next, size, silent, total } = props;
  const filtered = ['source', 'clusterId', 'status'].some((name) => (useView().query.get(name) ?? '') !== '');
  return (
    <>
      <Head
        title="Sources"
        about={`${counted(total, 'sender')} of events, ${silent.length === 0 ? 'none' : count(silent.length)} silent against ${silent.length === 1 ? 'its' : 'their'} own rhythm.`}
        actions={<CsvButton to="sources.csv" />}
      />
      <SilentVerdict of={silent} />
      <Panel
        id="list"
        title="Sources"
        quietTitle
        live="events"
        about={`${count(rows.length)} of ${count(total)}, by name`}
        {...(rows.length > 0 && {
          foot: (
            <Pager next={next} size={size}>
              Silent: nothing for three times the usual interval, and at least a day.
            </Pager>
          ),
        })}
      >
        <Choices />
        <DataTable
          caption="Sources"
          columns={columns}
          rows={rows}
          rowId={({ source, cluster_id: cluster }) => senderName(source, cluster)}
          empty={
            filtered ? (
              <Empty title="No source matches these filters">
                <Link to="sources">Remove the filters</Link> to see all of them.
              </Empty>
            ) : (
              <Empty title="Nobody has sent an event yet">
                Point a hook of your ACME client at this server, or try <code>notafter emit</code>.
              </Empty>
            )
          }
        />
      </Panel>
    </>
  );
};
