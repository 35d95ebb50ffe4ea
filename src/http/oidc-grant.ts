import type { GroupRole } from '../config-rules.ts';
import { includesRole } from '../lifecycle/access.ts';
import { displayText } from '../lifecycle/display-text.ts';
import type { Actor } from './env.ts';

/** What an identity provider says of a person. */
export type Claims = Readonly<Record<string, unknown>>;

/** The groups that a claim lists; one that holds a single text counts as one group. */
export const groupsOf = (claims: Claims, claim: string): readonly string[] => {
  const value = claims[claim];
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((group) => typeof group === 'string') : [];
};

/**
 * What membership in these groups is worth: the highest role of all; where that is given for one organisation and for all, the
 * latter; else the first in the order of the configuration. Null where no group counts.
 */
export const grantOf = (groups: readonly string[], rules: readonly GroupRole[]): Omit<Actor, 'name'> | null => {
  const held = rules.filter(({ group }) => groups.includes(group));
  const highest = held.filter(({ role }) => held.every((other) => includesRole(role, other.role)));
  const best = highest.find(({ orgId }) => orgId === null) ?? highest[0];
  return best === undefined ? null : { role: best.role, orgId: best.orgId };
};

const longestName = 200;

/**
 * The name that a person goes by here: the mail address where the provider vouches for it, else the user name or the subject,
 * at the provider's host, so that nobody is taken for the owner of a token.
 */
export const nameOf = (claims: Claims, issuer: string): string => {
  const { email, email_verified: verified, preferred_username: user, sub } = claims;
  const named = typeof email === 'string' && email.includes('@') && verified !== false ? email : null;
  const short = typeof user === 'string' && user !== '' ? user : String(sub);
  return displayText(named ?? `${short}@${new URL(issuer).host}`, longestName);
};
