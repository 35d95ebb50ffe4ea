import type { Db } from './client.ts';
import { eq } from './drizzle.ts';
import { customDomains } from './schema.ts';

/** The name of a registered domain; null when there is none with this id. */
export const findDomainName = async ({ orm }: Db, id: string): Promise<string | null> => {
  const [row] = await orm
    .select({ domain: customDomains.domain })
    .from(customDomains)
    .where(eq(customDomains.id, id))
    .limit(1);
  return row?.domain ?? null;
};
