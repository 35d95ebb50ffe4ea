import type { FC } from 'hono/jsx';
import type { EventFilter, EventRow, EventStats } from '../../../db/event-reads.ts';
import { errorClasses, eventStatuses, eventTypes } from '../../../lifecycle/types.ts';
import { count, counted, shortId } from '../format.ts';
import { fieldTime } from '../page-time.ts';
import { ChoiceFilter, choicesOf, Filters, OrganisationFilter, TextFilter } from '../parts/filters.tsx';
import { CsvLink } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Empty, Panel } from '../parts/panel.tsx';
import { type Column, DataTable, Pager, shownOf } from '../parts/table.tsx';
import { Host, Link, Quoted, Time } from '../parts/text.tsx';
import { href, useView } from '../view.ts';
import { errorClassWords, eventWords, sentence } from '../words.ts';
import { EventResult } from './event-result.tsx';

interface EventsProps {
  readonly events: readonly EventRow[];
  readonly next: string | null;
  readonly stats: EventStats;
  readonly total: number;
  readonly filter: EventFilter;
  readonly size: number;
}

/** Who sent an event: `lego:eu-edge-1`. */
export const senderOf = ({ source, cluster_id: cluster }: Pick<EventRow, 'source' | 'cluster_id'>): string =>
  cluster === null ? source : `${source}:${cluster}`;

const longest = 28;

/** Who sent an event, in one line where that is short. */
export const Sender: FC<{ of: Pick<EventRow, 'source' | 'cluster_id'> }> = ({ of }) => {
  const name = senderOf(of);
  return (
    <span class={name.length <= longest ? 'nowrap' : undefined}>
      <Quoted text={name} max={120} />
    </span>
  );
};

const columns: readonly Column<EventRow>[] = [
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
  {
    name: 'Domain',
    cell: ({ domain, org_id: org, domain_id: known }) => (
      <>
        <Host name={domain} />
        <span class="sub">
          <Quoted text={known === null ? 'not registered' : (org ?? 'no organisation')} max={120} />
        </span>
      </>
    ),
  },
  { name: 'Source', cell: (event) => <Sender of={event} /> },
  {
    name: 'Result',
    cell: (event) => (
      <>
        <EventResult event={event} />
        {event.status !== 'applied' && event.last_error !== null && (
          <span class="sub err">
            {event.error_class !== null && `${errorClassWords[event.error_class]}: `}
            <Quoted text={event.last_error} max={160} />
          </span>
        )}
      </>
    ),
  },
  { name: 'Received', width: 's', cell: ({ created_at: at }) => <Time at={at} /> },
];

/** The page in the browser's tab, verdict first. */
export const eventsTitle = ({ stats, total }: Pick<EventsProps, 'stats' | 'total'>): string =>
  stats.failed > 0 ? `${count(stats.failed)} of ${counted(total, 'event')} gave up` : counted(total, 'event');

const About: FC<Pick<EventsProps, 'stats' | 'total'>> = ({ stats, total }) => (
  <>
    {counted(total, 'event')}: {count(stats.applied)} applied, {count(stats.pending)} pending, {count(stats.failed)}{' '}
    gave up. {count(stats.unresolved)} {stats.unresolved === 1 ? 'is' : 'are'} for domains that are not registered.
  </>
);

const statusWords = { pending: 'pending', applied: 'applied', failed: 'gave up' } as const;

/** Filters of who and when, which events and dead letters have in common. */
export const SenderAndTime: FC<{ filter: Pick<EventFilter, 'since' | 'until'> }> = ({ filter: { since, until } }) => (
  <>
    <TextFilter name="source" label="Source" />
    <TextFilter name="clusterId" label="Cluster" />
    <OrganisationFilter />
    <span class="between">
      <label for="f-since">From</label>
      <input class="field" id="f-since" name="since" type="datetime-local" value={fieldTime(since)} />
      <label for="f-until">to</label>
      <input class="field" id="f-until" name="until" type="datetime-local" value={fieldTime(until)} /> UTC
    </span>
  </>
);

const Choices: FC<{ filter: EventFilter }> = ({ filter }) => (
  <Filters to="events">
    <TextFilter name="domain" label="Domain" />
    <ChoiceFilter
      name="status"
      label="Status"
      any="Any status"
      choices={choicesOf(eventStatuses, (value) => sentence(statusWords[value]))}
    />
    <ChoiceFilter
      name="eventType"
      label="Type"
      any="Any type"
      choices={choicesOf(eventTypes, (value) => sentence(eventWords[value]))}
    />
    <ChoiceFilter
      name="errorClass"
      label="Class of error"
      any="Any error"
      choices={choicesOf(errorClasses, (value) => sentence(errorClassWords[value]))}
    />
    <ChoiceFilter
      name="unresolved"
      label="Registered"
      any="Registered or not"
      choices={[
        { value: 'false', text: 'Registered' },
        { value: 'true', text: 'Not registered' },
      ]}
    />
    <SenderAndTime filter={filter} />
  </Filters>
);

const Nothing: FC = () => {
  const { query } = useView();
  return [...query.keys()].some((name) => name !== 'cursor') ? (
    <Empty title="No events that match">
      Change or remove a filter, or look at <Link to="events">all events</Link>.
    </Empty>
  ) : (
    <Empty title="No events yet">
      Senders post them to <code>/v1/domains/cert-events</code>. Each one shows here as soon as it is taken in.
    </Empty>
  );
};

/** The ledger: every event that was taken in, newest first. */
export const EventsPage: FC<EventsProps> = (props) => {
  const { events, next, stats, total, filter, size } = props;
  const paged = useView().query.has('cursor');
  const about = paged
    ? `${counted(total, 'event')}, newest first`
    : shownOf(count(events.length), count(total), 'newest first');
  return (
    <>
      <Head
        title="Events"
        about={<About stats={stats} total={total} />}
        actions={
          <a class="btn" href={href(useView(), 'dead-letters')}>
            Dead letters
          </a>
        }
      />
      <Panel
        id="list"
        title="Ledger"
        about={about}
        more={<CsvLink to="events.csv" />}
        live="events dead-letters"
        foot={
          <Pager next={next} size={size}>
            An event is kept whatever becomes of it.
          </Pager>
        }
      >
        <Choices filter={filter} />
        <DataTable
          caption="Events, newest first"
          columns={columns}
          rows={events}
          rowId={({ id }) => id}
          empty={<Nothing />}
        />
      </Panel>
    </>
  );
};
