import type { Context } from 'hono';
import type { Saved } from '../db/domains.ts';
import { AppError } from '../errors.ts';
import type { DomainPatch } from '../lifecycle/domain-input.ts';
import type { HttpEnv } from './env.ts';
import { otherOrg, sees } from './scope.ts';

/**
 * The settings as an actor of one organisation means them: for its own.
 *
 * @throws AppError `forbidden` when they name another organisation, or none.
 */
export const ownPatch = (c: Context<HttpEnv>, patch: DomainPatch): DomainPatch => {
  const own = c.var.actor.orgId;
  if (own === null) return patch;
  if (patch.orgId !== undefined && patch.orgId !== own) throw new AppError('forbidden', otherOrg);
  return { ...patch, orgId: own };
};

/**
 * Checks what became of a domain, in the transaction that this takes back. An actor of one organisation changes its own
 * domains only, and does not declare a name its own without the TXT record.
 *
 * @throws AppError `conflict` for a name of another, which does not say whose; `forbidden`
 */
export const assertOwn = (c: Context<HttpEnv>, { before, domain }: Saved): void => {
  if (c.var.actor.orgId === null) return;
  if (before !== null && !sees(c, before)) throw new AppError('conflict', 'The domain is registered already');
  if (!sees(c, domain)) throw new AppError('forbidden', otherOrg);
  if (domain.verified && before?.verified !== true)
    throw new AppError('forbidden', 'Verify the domain by its TXT record: your access is bound to one organisation');
};
