import type { FC } from 'hono/jsx';
import type { RegionSummary } from '../../../db/domain-summary.ts';
import type { TlsStatus } from '../../../lifecycle/types.ts';
import { count, counted } from '../format.ts';
import { CsvLink } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Empty, Panel } from '../parts/panel.tsx';
import { type Column, DataTable } from '../parts/table.tsx';
import { Link, Time } from '../parts/text.tsx';
import { sentence, statusWords } from '../words.ts';

const shown: readonly TlsStatus[] = [
  'issued',
  'expiring',
  'tls_error',
  'pending_issue',
  'pending_route',
  'passthrough_unverified',
];

const columns: readonly Column<RegionSummary>[] = [
  {
    name: 'Region',
    kind: 'id',
    cell: ({ region }) => (
      <Link to="domains" params={{ region }}>
        {region}
      </Link>
    ),
  },
  { name: 'Domains', kind: 'num', cell: ({ total }) => count(total) },
  ...shown.map((status): Column<RegionSummary> => ({
    name: sentence(statusWords[status]),
    kind: 'num',
    cell: (row) =>
      row[status] === 0 ? (
        '0'
      ) : (
        <Link to="domains" params={{ region: row.region, status }}>
          {count(row[status])}
        </Link>
      ),
  })),
  { name: 'Last event', kind: 'num', cell: ({ last_event_at: at }) => <Time at={at} /> },
];

/** How the domains of each region stand. */
export const RegionsPage: FC<{ regions: readonly RegionSummary[] }> = ({ regions }) => {
  const total = regions.reduce((sum, region) => sum + region.total, 0);
  const real = regions.filter(({ region }) => region !== 'unassigned').length;
  return (
    <>
      <Head
        title="Regions"
        about={`${counted(total, 'domain')} in ${counted(real, 'region')}. Domains without a region have no route, and are not probed.`}
      />
      <Panel
        id="list"
        title="Regions"
        quietTitle
        about={counted(regions.length, 'row')}
        more={<CsvLink to="regions.csv" />}
        live="domains"
      >
        <DataTable
          caption="Domains by region and status"
          columns={columns}
          rows={regions}
          rowId={({ region }) => region}
          empty={<Empty title="No domain is registered yet">Regions appear with the first domain that has one.</Empty>}
        />
      </Panel>
    </>
  );
};
