/** The id of the job that carries one event; a replay raises the generation, since an id that is known is never added again. */
export const eventJobId = (id: string, generation: number): string => `${id}-${generation}`;
