import type { HttpBindings } from '@hono/node-server';
import type { Ctx } from '../context.ts';
import type { Role } from '../lifecycle/access.ts';

/** Who calls: the name and role of the token that was presented, or of the person who is signed in. */
export interface Actor {
  readonly name: string;
  readonly role: Role;
  /** The one organisation it sees and changes; null for all. */
  readonly orgId: string | null;
}

/** The browser that a console request comes from. */
export interface Session {
  readonly id: string;
  readonly via: 'token' | 'oidc';
  /** When it ends in any case (epoch ms). */
  readonly expiresAt: number;
}

export interface HttpEnv {
  Bindings: Partial<HttpBindings>;
  Variables: { ctx: Ctx; actor: Actor; session?: Session; requestId?: string };
}
