import type { Mutant } from './mutant.ts';

const isolation = 'test/integration/access-isolation.test.ts';
const matrix = 'test/integration/access-matrix.test.ts';
const tamper = 'test/integration/audit-tamper.test.ts';
const times = 'test/constant-time.test.ts';

/** Who may do what, and the trace it leaves. */
export const accessMutants: readonly Mutant[] = [
  {
    name: 'no-role-check',
    fault: 'every role may do everything',
    file: 'src/http/rules.ts',
    find: 'if (!includesRole(actor.role, role)) throw new AppError',
    replace: "if (!includesRole(actor.role, role) && actor.name === '') throw new AppError",
    suite: { file: 'src/http/auth.test.ts', only: 'the role that a route demands' },
  },
  {
    name: 'no-same-origin',
    fault: 'a page of somebody else may ask a signed-in browser for changes',
    file: 'src/http/same-origin.ts',
    find: 'if (siteAgrees && from !== null && ownOrigins(c).includes(from)) return;',
    replace: 'if (siteAgrees || from === null || ownOrigins(c).includes(from)) return;',
    suite: { file: matrix, only: 'refuses changes that come from' },
  },
  {
    name: 'no-org-isolation',
    fault: 'things of another organisation can be seen at their address',
    file: 'src/http/scope.ts',
    find: 'return own === null || own === org_id;',
    replace: 'return own === null || own.length > 0 || own === org_id;',
    suite: { file: isolation, only: 'finds nothing at the address of a thing of another' },
  },
  {
    name: 'lists-of-all',
    fault: 'lists show things of every organisation',
    file: 'src/http/scope.ts',
    find: 'if (asked === undefined || asked === own) return own;',
    replace: 'if (asked === undefined || asked === own) return asked;',
    suite: { file: isolation, only: 'reads nothing of another over the API' },
  },
  {
    name: 'revoked-tokens-work',
    fault: 'a revoked token still lets its owner in',
    file: 'src/db/access-tokens.ts',
    find: '): boolean => revoked_at === null && (expires_at',
    replace: '): boolean => (revoked_at === null || revoked_at !== null) && (expires_at',
    suite: { file: 'test/integration/access.test.ts', only: 'end at once when they are revoked' },
  },
  {
    name: 'early-exit-compare',
    fault: 'a secret is compared byte by byte until one differs',
    file: 'src/http/auth.ts',
    find: 'timingSafeEqual(expected, digest(presented));',
    replace: 'expected.equals(digest(presented));',
    suite: { file: times },
  },
  {
    name: 'early-exit-signature',
    fault: 'a signature is compared as text',
    file: 'src/lifecycle/signature.ts',
    find: 'if (timingSafeEqual(macOf(key, timestamp, body), claimed)) fits = true;',
    replace: "if (macOf(key, timestamp, body).toString('hex') === claimed.toString('hex')) fits = true;",
    suite: { file: times },
  },
  {
    name: 'chain-not-checked',
    fault: 'a changed row of the audit log passes for whole',
    file: 'src/lifecycle/audit-chain.ts',
    find: 'if (follows && isWhole) return null;',
    replace: 'if (follows || isWhole) return null;',
    suite: { file: tamper, only: 'a log that somebody with all rights' },
  },
  {
    name: 'forged-checkpoints',
    fault: 'a checkpoint of the audit log needs no signature',
    file: 'src/lifecycle/audit-chain.ts',
    find: 'return claimed.length === mac.length && timingSafeEqual(claimed, mac);',
    replace: 'return claimed.length === mac.length;',
    suite: { file: tamper, only: 'takes the signature of any of its secrets' },
  },
];
