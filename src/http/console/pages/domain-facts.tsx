import type { FC } from 'hono/jsx';
import type { DomainRow } from '../../../db/domain-row.ts';
import type { DomainIncident } from '../../../db/domain-timeline.ts';
import { type AddressRow, serialOf } from '../domain-truth.ts';
import { count } from '../format.ts';
import { type Lifetime, Lifetimes } from '../parts/lifetimes.tsx';
import { Empty, Facts, Panel } from '../parts/panel.tsx';
import { Drift, Mark, Status } from '../parts/state.tsx';
import { DataTable } from '../parts/table.tsx';
import { Fingerprint, Link, Quoted, Time } from '../parts/text.tsx';
import { eventWords, incidentWords, sentence } from '../words.ts';

const lifetimesOf = (row: DomainRow): Lifetime[] => {
  const from = row.tls_not_before ?? row.cert_last_success_at;
  const expected: Lifetime[] =
    row.tls_not_after === null || from === null
      ? []
      : [
          {
            name: 'Expected certificate',
            notBefore: from.getTime(),
            notAfter: row.tls_not_after.getTime(),
            renewalDue: row.renewal_due_at?.getTime() ?? null,
            kind: 'expected',
          },
        ];
  const { observed_certificate_ref: seen, observed_not_before: start, observed_not_after: end } = row;
  const different = seen !== null && row.certificate_ref !== null && seen !== row.certificate_ref;
  if (!different || start === null || end === null) return expected;
  const due = start.getTime() + ((end.getTime() - start.getTime()) * 2) / 3;
  return [
    ...expected,
    { name: 'Still served', notBefore: start.getTime(), notAfter: end.getTime(), renewalDue: due, kind: 'old' },
  ];
};

/** Lifetimes with today in them; nothing where none is known. */
export const DeadlinesPanel: FC<{ row: DomainRow }> = ({ row }) => {
  const lives = lifetimesOf(row);
  if (lives.length === 0) return null;
  const about = lives.length > 1 ? 'above: expected, below: still served' : undefined;
  return (
    <Panel id="deadlines" title="Deadlines" about={about} live="domains">
      <Lifetimes of={lives} />
    </Panel>
  );
};

const dueSources = { event: 'said by its event', ari: 'ARI', lifetime: 'two thirds of its life' } as const;

/** The certificate and what is due with it. */
export const CertificatePanel: FC<{ row: DomainRow; addresses: readonly AddressRow[] }> = ({ row, addresses }) => (
  <Panel id="certificate" title="Certificate" padded live="domains">
    <Facts
      of={[
        ['Status', <Status of={row.tls_status} />],
        ['Served', <Drift of={row.drift_state} />],
        ['Reference', <Fingerprint of={row.certificate_ref} whole />],
        ['Serial', <Quoted text={serialOf(row, addresses)} />],
        ['Ends', <Time at={row.tls_not_after} />],
        [
          'Renewal due',
          <>
            <Time at={row.renewal_due_at} as="due" />
            {row.renewal_due_source !== null && <span class="faint"> ({dueSources[row.renewal_due_source]})</span>}
          </>,
        ],
        [
          'Last event',
          row.cert_last_event_type === null ? (
            'none yet'
          ) : (
            <>
              {eventWords[row.cert_last_event_type]}, <Time at={row.cert_last_event_at} />
            </>
          ),
        ],
        ['Last failure', <Time at={row.cert_last_failure_at} />],
        [
          'Failures',
          <>
            {count(row.cert_failure_count)}, next try{' '}
            {row.cert_next_retry_at === null ? 'none' : <Time at={row.cert_next_retry_at} as="due" />}
          </>,
        ],
        ['Last probe', <Time at={row.tls_last_checked_at} />],
        ['Next probe', <Time at={row.probe_due_at} as="due" />],
      ]}
    />
  </Panel>
);

/** Whose the domain is, and how it is looked at. */
export const OwnershipPanel: FC<{ row: DomainRow }> = ({ row }) => (
  <Panel id="ownership" title="Ownership" padded>
    <Facts
      of={[
        [
          'Organisation',
          row.org_id === null ? (
            'none'
          ) : (
            <Link to="domains" params={{ orgId: row.org_id }}>
              <Quoted text={row.org_id} max={120} />
            </Link>
          ),
        ],
        [
          'Region',
          <Link to="domains" params={{ region: row.region ?? 'unassigned' }}>
            {row.region ?? 'unassigned'}
          </Link>,
        ],
        ['TLS mode', row.tls_mode],
        ['Policy', row.cert_failure_policy],
        ['Probed at', row.probe_address === null ? 'DNS, port 443' : <Quoted text={row.probe_address.join(', ')} />],
        ['Verified', row.verified ? <Time at={row.last_verified_at} as="date" /> : 'no'],
        ['Registered', <Time at={row.created_at} as="date" />],
        ['Id', <code>{row.id}</code>],
      ]}
    />
  </Panel>
);

const incidentState = ({ status, acknowledged_by: by, resolved_by: end }: DomainIncident): string => {
  if (status === 'open') return 'open, nobody has it yet';
  return status === 'acknowledged' ? `acknowledged by ${by ?? 'somebody'}` : `resolved by ${end ?? 'somebody'}`;
};

const mostIncidents = 6;

/** The last incidents of the domain. */
export const IncidentsPanel: FC<{ incidents: readonly DomainIncident[] }> = ({ incidents }) => {
  const open = incidents.filter(({ status }) => status !== 'resolved').length;
  return (
    <Panel
      id="incidents"
      title="Incidents"
      about={`${count(open)} open of ${count(incidents.length)}`}
      live="incidents"
    >
      <DataTable
        caption="Incidents"
        look="tight flat"
        small
        rows={incidents.slice(0, mostIncidents)}
        rowId={({ id }) => id}
        empty={<Empty title="No incident so far">Failures, errors and drift open one by themselves.</Empty>}
        columns={[
          {
            name: 'Incident',
            kind: 'id',
            cell: (one) => (
              <>
                <Link to={`incidents/${one.id}`}>
                  <Mark
                    tone={
                      one.status === 'resolved'
                        ? 'issued'
                        : one.incident_type === 'certificate_drift'
                          ? 'drift'
                          : 'tls_error'
                    }
                    icon={
                      one.status === 'resolved'
                        ? 's-issued'
                        : one.incident_type === 'certificate_drift'
                          ? 's-drift'
                          : 's-tls_error'
                    }
                  >
                    {sentence(incidentWords[one.incident_type])}, tier {one.tier}
                  </Mark>
                </Link>
                <span class="sub">
                  <Quoted text={incidentState(one)} max={120} />
                </span>
              </>
            ),
          },
          { name: 'Since', kind: 'num', cell: ({ created_at: at }) => <Time at={at} as="since" /> },
        ]}
      />
    </Panel>
  );
};
