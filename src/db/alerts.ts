import type { AlertRow } from '../lifecycle/alerts.ts';
import type { Db } from './client.ts';
import { alertColumns } from './settle.ts';

const pageSize = 500;

/** All alerts that fire, in pages. */
export async function* firingPages({ sql }: Db): AsyncGenerator<AlertRow[]> {
  for (let after = ''; ;) {
    const page = await sql<AlertRow[]>`
      select ${alertColumns(sql)} from certificate_alerts a left join custom_domains d on d.id = a.domain_id
      where a.key > ${after} order by a.key limit ${pageSize}`;
    if (page.length > 0) yield page;
    if (page.length < pageSize) return;
    after = page.at(-1)?.alertKey ?? after;
  }
}
