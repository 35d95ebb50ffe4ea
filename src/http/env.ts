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

export interface HttpEnv {
  Bindings: Partial<HttpBindings>;
  Variables: { ctx: Ctx; actor: Actor; requestId?: string };
}
