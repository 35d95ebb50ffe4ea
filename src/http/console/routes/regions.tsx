import { type Context, Hono } from 'hono';
import { type RegionSummary, regionSummary } from '../../../db/domain-summary.ts';
import { tlsStatuses } from '../../../lifecycle/types.ts';
import type { HttpEnv } from '../../env.ts';
import { strictQuery } from '../../filters.ts';
import { orgOf } from '../../scope.ts';
import { page } from '../../sessions.ts';
import { csvAnswer, type CsvColumn } from '../csv.ts';
import { counted } from '../format.ts';
import { answerPage } from '../page.tsx';
import { RegionsPage } from '../pages/regions.tsx';
import { readFilters } from '../query.ts';

const query = strictQuery({});

const read = (c: Context<HttpEnv>): Promise<RegionSummary[]> => {
  readFilters(c, query);
  return regionSummary(c.var.ctx.db, orgOf(c, undefined));
};

const show = async (c: Context<HttpEnv>) => {
  const regions = await read(c);
  return answerPage(c, { title: counted(regions.length, 'region') }, <RegionsPage regions={regions} />);
};

const columns: readonly CsvColumn<RegionSummary>[] = (
  ['region', 'total', ...tlsStatuses, 'last_event_at'] as const
).map((name) => ({ name, value: (row) => row[name] }));

const download = async (c: Context<HttpEnv>) => {
  const rows = await read(c);
  return csvAnswer(c, { name: 'regions', columns, read: () => Promise.resolve({ rows, next: null }) });
};

/** The regions and their export. */
export const regionPages = () =>
  new Hono<HttpEnv>()
    .get('/console/regions', page({ role: 'viewer', scope: 'org' }), show)
    .get('/console/regions.csv', page({ role: 'viewer', scope: 'org', changes: 'list.export' }), download);
