import type { FC } from 'hono/jsx';
import type { DomainRow } from '../../../db/domain-row.ts';
import type { RegionSummary } from '../../../db/domain-summary.ts';
import type { EventRow } from '../../../db/event-reads.ts';
import { tlsStatuses } from '../../../lifecycle/types.ts';
import type { Overview } from '../../overview.ts';
import { count } from '../format.ts';
import { ExpiryCalendar } from '../parts/calendar.tsx';
import { Empty, FailedPanel, Panel } from '../parts/panel.tsx';
import { Mark, Status } from '../parts/state.tsx';
import { DataTable } from '../parts/table.tsx';
import { DomainLink, Link, Quoted, Time } from '../parts/text.tsx';
import { href, useView } from '../view.ts';
import { eventWords } from '../words.ts';
import { EventResult } from './event-result.tsx';

/** What the front page shows; null where it could not be read. */
export interface OverviewProps {
  readonly overview: Overview;
  readonly orgId: string | undefined;
  /** Names for the choice of one; null when there are too many to choose from. */
  readonly orgs: readonly string[] | null;
  readonly regions: readonly RegionSummary[] | null;
  readonly due: { readonly domains: readonly DomainRow[]; readonly total: number | null } | null;
  readonly latest: readonly EventRow[] | null;
}

/** Domains by status and by region. */
export const StatusPanel: FC<OverviewProps> = ({ overview, regions, orgId }) => {
  const { byStatus, drift } = overview.domains;
  const rows = tlsStatuses
    .map((status) => ({ status, n: byStatus[status] ?? 0 }))
    .toSorted((a, b) => order.indexOf(a.status) - order.indexOf(b.status));
  return (
    <Panel id="status" title="Domains by status" live="domains">
      <table class="t t-flat t-tight">
        <caption class="sr">Domains by status</caption>
        <thead>
          <tr>
            <th scope="col">Status</th>
            <th scope="col" class="num">
              Domains
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ status, n }) => (
            <tr>
              <td>
                <Link to="domains" params={{ status, orgId }}>
                  <Status of={status} />
                </Link>
              </td>
              <td class="num">{count(n)}</td>
            </tr>
          ))}
          <tr>
            <td>
              <Link to="domains" params={{ drift: 'any', orgId }}>
                <Mark tone="drift" icon="s-drift">
                  of these, drift
                </Mark>
              </Link>
            </td>
            <td class="num">{count(drift)}</td>
          </tr>
        </tbody>
      </table>
      {regions === null ? (
        <p class="panel-body state-tls_error">Could not read the regions.</p>
      ) : (
        <ByRegion regions={regions} />
      )}
    </Panel>
  );
};

const order = ['issued', 'expiring', 'tls_error', 'pending_issue', 'pending_route', 'passthrough_unverified'];
const shownRegions = 6;

const ByRegion: FC<{ regions: readonly RegionSummary[] }> = ({ regions }) => (
  <>
    <div class="panel-head">
      <h3>By region</h3>
      <span class="more">
        <Link to="regions">All regions</Link>
      </span>
    </div>
    <DataTable
      caption="Domains by region"
      look="tight flat"
      small
      rows={regions.toSorted((a, b) => b.total - a.total).slice(0, shownRegions)}
      columns={[
        { name: 'Region', cell: ({ region }) => <Quoted text={region} max={60} /> },
        { name: 'Domains', kind: 'num', cell: ({ total }) => count(total) },
        { name: 'Expiring', kind: 'num', cell: ({ expiring }) => count(expiring) },
        { name: 'TLS error', kind: 'num', cell: ({ tls_error: n }) => count(n) },
      ]}
    />
  </>
);

/** When certificates end, by the day. */
export const ExpiryPanel: FC<OverviewProps> = ({ overview, orgId }) => {
  const view = useView();
  const { days, countedAt } = overview.expiry;
  const sum = (n: number): number => days.slice(0, n).reduce((total, { domains }) => total + domains, 0);
  return (
    <Panel
      id="expiry"
      title="Expiry, next 90 days"
      about={countedAt === null ? undefined : `${count(sum(90))}, of them ${count(sum(30))} within 30 d`}
      live="domains"
    >
      {countedAt === null ? (
        <Empty title="Not counted yet">A worker counts the certificates by day once a minute.</Empty>
      ) : (
        <ExpiryCalendar
          days={days.map(({ day, domains, overdue }) => ({ date: day, expiring: domains, overdue }))}
          fleet={overview.domains.total}
          linkOf={(date) => href(view, 'domains', { expires: date, orgId })}
        />
      )}
    </Panel>
  );
};

const lastWord = ({ cert_last_event_type: type, cert_failure_count: failures, cert_last_error: error }: DomainRow) => (
  <>
    {type === null ? 'no event yet' : eventWords[type]}
    {failures > 1 && ` ×${count(failures)}`}
    {failures > 0 && error !== null && (
      <>
        : <Quoted text={error} max={120} />
      </>
    )}
  </>
);

/** The renewals that are late or due next. */
export const DuePanel: FC<OverviewProps> = ({ due, orgId }) => {
  if (due === null) return <FailedPanel id="due" title="Renewals due next" what="the renewals due" />;
  const { domains, total } = due;
  return (
    <Panel
      id="due"
      title="Renewals due next"
      about={total === null ? 'within 72 h' : `${domains.length} of ${count(total)} within 72 h`}
      more={
        <Link to="domains" params={{ sort: 'renewal', orgId }}>
          All by renewal
        </Link>
      }
      live="domains"
    >
      <DataTable
        caption="Renewals due next"
        look="tight flat"
        rows={domains}
        rowId={({ id }) => id}
        empty={<Empty title="No renewal is due within 72 h">The calendar above shows what comes later.</Empty>}
        columns={[
          { name: 'Domain', kind: 'id', cell: ({ domain }) => <DomainLink name={domain} /> },
          { name: 'Renewal due', width: 's', cell: ({ renewal_due_at: at }) => <Time at={at} as="due" /> },
          { name: 'Expires', width: 's', cell: ({ tls_not_after: at }) => <Time at={at} /> },
          { name: 'Last word', kind: 'err', cell: lastWord },
        ]}
      />
    </Panel>
  );
};

/** The events that came in last. */
export const LatestPanel: FC<OverviewProps> = ({ latest }) => {
  if (latest === null) return <FailedPanel id="latest" title="Latest events" what="the latest events" />;
  return (
    <Panel id="latest" title="Latest events" more={<Link to="events">All events</Link>} live="events">
      <DataTable
        caption="Latest events"
        look="tight flat"
        rows={latest}
        rowId={({ id }) => id}
        empty={
          <Empty title="No event has come in yet">
            Point a hook of your ACME client at this server, or try <code>notafter emit</code>.
          </Empty>
        }
        columns={[
          {
            name: 'Event',
            kind: 'id',
            cell: (event) => (
              <>
                <Link to={`events/${event.id}`}>{eventWords[event.event_type] ?? event.event_type}</Link>
                <span class="sub">
                  <Quoted
                    text={`${event.source}${event.cluster_id === null ? '' : `:${event.cluster_id}`}`}
                    max={120}
                  />
                </span>
              </>
            ),
          },
          { name: 'Domain', cell: ({ domain }) => <DomainLink name={domain} /> },
          { name: 'Result', cell: (event) => <EventResult event={event} /> },
          { name: 'Age', kind: 'num', cell: ({ created_at: at }) => <Time at={at} as="since" /> },
        ]}
      />
    </Panel>
  );
};
