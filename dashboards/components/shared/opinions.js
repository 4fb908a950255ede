/** Who decided otherwise: "ben: normal", for each whose newest decision is not the one that counts. */
export function otherOpinions(decision, opinions) {
  const others = Object.entries(opinions ?? {}).filter(([, said]) => said !== decision);
  return others.map(([author, said]) => `${author}: ${said}`);
}
