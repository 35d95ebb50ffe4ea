/** What a caller may do: a viewer reads, an operator also replays, acknowledges, requeues and probes, an admin does all. */
export const roles = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof roles)[number];

/** Whether a role includes another (viewer < operator < admin). */
export const includesRole = (role: Role, needed: Role): boolean => roles.indexOf(role) >= roles.indexOf(needed);
