import type { FC } from 'hono/jsx';
import type { EventStory } from '../../event-timeline.ts';
import { counted } from '../format.ts';
import { Panel } from '../parts/panel.tsx';
import { Outcome, type outcomeMarks } from '../parts/state.tsx';
import { type Column, DataTable } from '../parts/table.tsx';
import { Link, Quoted, Time } from '../parts/text.tsx';
import { incidentWords, plainWords, sentence } from '../words.ts';

type Incident = EventStory['incidents'][number];
type Delivery = EventStory['deliveries'][number];

const incidentColumns: readonly Column<Incident>[] = [
  {
    name: 'Incident',
    kind: 'id',
    cell: ({ id, incident_type: type, tier }) => (
      <>
        <Link to={`incidents/${id}`}>{sentence(incidentWords[type])}</Link>
        <span class="sub">tier {tier}</span>
      </>
    ),
  },
  {
    name: 'State',
    cell: ({ status }) => (
      <Outcome of={status === 'resolved' ? 'ok' : status === 'open' ? 'bad' : 'wait'}>{status}</Outcome>
    ),
  },
  { name: 'Raised', width: 's', cell: ({ created_at: at }) => <Time at={at} /> },
];

const delivered = { sent: 'ok', dead: 'bad', failed: 'warn', pending: 'wait' } as const satisfies Record<
  Delivery['status'],
  keyof typeof outcomeMarks
>;

const noticeColumns: readonly Column<Delivery>[] = [
  {
    name: 'Notification',
    kind: 'id',
    cell: ({ id, class: noticeClass, channel }) => (
      <>
        <Link to={`notifications/${id}`}>{sentence(plainWords(noticeClass))}</Link>
        <span class="sub">
          <Quoted text={channel} max={80} />
        </span>
      </>
    ),
  },
  {
    name: 'State',
    cell: ({ status, tries }) => (
      <>
        <Outcome of={delivered[status]}>{status}</Outcome>
        <span class="sub">{counted(tries, 'try', 'tries')}</span>
      </>
    ),
  },
  { name: 'Decided', width: 's', cell: ({ created_at: at }) => <Time at={at} /> },
];

/** The incidents and notifications that came of an event. */
export const CameOfIt: FC<{ story: EventStory }> = ({ story: { incidents, deliveries } }) => (
  <>
    {incidents.length > 0 && (
      <Panel id="incidents" title="Incidents" about={counted(incidents.length, 'incident')} live="incidents events">
        <DataTable caption="Incidents of this event" columns={incidentColumns} rows={incidents} look="tight" small />
      </Panel>
    )}
    {deliveries.length > 0 && (
      <Panel
        id="notices"
        title="Notifications"
        about={counted(deliveries.length, 'notification')}
        live="notifications events"
      >
        <DataTable
          caption="Notifications after this event"
          columns={noticeColumns}
          rows={deliveries}
          look="tight"
          small
        />
      </Panel>
    )}
  </>
);
