import type { FC } from 'hono/jsx';
import type { SeenOn } from '../../../db/certificate-search.ts';
import type { DomainRow } from '../../../db/domain-row.ts';
import type { EventRow } from '../../../db/event-reads.ts';
import { count } from '../format.ts';
import { Head } from '../parts/frame.tsx';
import { Empty, Panel } from '../parts/panel.tsx';
import { Status } from '../parts/state.tsx';
import { DataTable } from '../parts/table.tsx';
import { DomainLink, Fingerprint, Link, Quoted, Time } from '../parts/text.tsx';
import { eventWords } from '../words.ts';
import { EventResult } from './event-result.tsx';

/** What a search came upon. */
export interface Found {
  readonly domains: readonly DomainRow[];
  readonly events: readonly EventRow[];
  readonly certificates: readonly SeenOn[];
}

const Domains: FC<{ rows: readonly DomainRow[] }> = ({ rows }) => (
  <Panel id="domains" title="Domains" about={`${count(rows.length)} found`}>
    <DataTable
      caption="Domains"
      rows={rows}
      rowId={({ id }) => id}
      columns={[
        { name: 'Domain', kind: 'id', cell: ({ domain }) => <DomainLink name={domain} /> },
        { name: 'Status', cell: ({ tls_status: status }) => <Status of={status} /> },
        { name: 'Organisation', cell: ({ org_id: org }) => <Quoted text={org} max={120} /> },
        { name: 'Expires', width: 's', cell: ({ tls_not_after: at }) => <Time at={at} /> },
      ]}
    />
  </Panel>
);

const Events: FC<{ rows: readonly EventRow[] }> = ({ rows }) => (
  <Panel id="events" title="Events" about={`${count(rows.length)} latest`}>
    <DataTable
      caption="Events"
      rows={rows}
      rowId={({ id }) => id}
      columns={[
        {
          name: 'Event',
          kind: 'id',
          cell: ({ id, event_type: type }) => <Link to={`events/${id}`}>{eventWords[type]}</Link>,
        },
        { name: 'Domain', cell: ({ domain }) => <Quoted text={domain} max={253} /> },
        { name: 'Result', cell: (event) => <EventResult event={event} /> },
        { name: 'Received', kind: 'num', cell: ({ created_at: at }) => <Time at={at} /> },
      ]}
    />
  </Panel>
);

const Certificates: FC<{ rows: readonly SeenOn[] }> = ({ rows }) => (
  <Panel id="certificates" title="Certificates that probes have seen" about={`${count(rows.length)} found`}>
    <DataTable
      caption="Domains that served the certificate"
      rows={rows}
      columns={[
        { name: 'Domain', kind: 'id', cell: ({ domain }) => <DomainLink name={domain} /> },
        { name: 'Leaf sha256', cell: ({ certificate_ref: ref }) => <Fingerprint of={ref} /> },
        { name: 'First seen', kind: 'num', cell: ({ first_seen_at: at }) => <Time at={at} /> },
      ]}
    />
  </Panel>
);

/** What was found, when it is more than one thing. */
export const SearchPage: FC<{ asked: string; found: Found }> = ({
  asked,
  found: { domains, events, certificates },
}) => {
  const nothing = domains.length + events.length + certificates.length === 0;
  return (
    <>
      <Head
        title={
          asked === '' ? (
            'Search'
          ) : (
            <>
              Search for “<Quoted text={asked} max={100} />”
            </>
          )
        }
      />
      {nothing && (
        <section class="panel">
          <Empty title={asked === '' ? 'Nothing is asked for' : 'Nothing was found'}>
            Type a domain or the beginning of one, <code>*.suffix</code>, the id of an event, or the SHA-256 of a
            certificate (eight hex digits will do).
          </Empty>
        </section>
      )}
      {domains.length > 0 && <Domains rows={domains} />}
      {certificates.length > 0 && <Certificates rows={certificates} />}
      {events.length > 0 && <Events rows={events} />}
    </>
  );
};
