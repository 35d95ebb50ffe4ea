import type { Db } from './client.ts';
import { desc, eq, getTableColumns } from './drizzle.ts';
import { domainAddresses, probeObservations } from './schema-served.ts';

const mostAddresses = 100;

/** What each address of a domain served at its last look, in the order of the addresses. */
export const addressesOf = ({ orm }: Db, domainId: string) => {
  const { address, certificate_ref, tls_not_after, verdict, error, depth, checked_at, details } = domainAddresses;
  return orm
    .select({ address, certificate_ref, tls_not_after, verdict, error, depth, checked_at, details })
    .from(domainAddresses)
    .where(eq(domainAddresses.domain_id, domainId))
    .orderBy(address)
    .limit(mostAddresses);
};

const { domain_id: _domain, ...observationColumns } = getTableColumns(probeObservations);

/** What changed about a domain's served certificates, the newest first. */
export const domainObservations = ({ orm }: Db, domainId: string, limit: number) =>
  orm
    .select(observationColumns)
    .from(probeObservations)
    .where(eq(probeObservations.domain_id, domainId))
    .orderBy(desc(probeObservations.id))
    .limit(limit);
