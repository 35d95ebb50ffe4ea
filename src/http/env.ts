import type { HttpBindings } from '@hono/node-server';
import type { Role } from '../config-rules.ts';
import type { Ctx } from '../context.ts';

/** Who calls: the name and role of the token that was presented. */
export interface Actor {
  readonly name: string;
  readonly role: Role;
}

export interface HttpEnv {
  Bindings: Partial<HttpBindings>;
  Variables: { ctx: Ctx; actor: Actor };
}
