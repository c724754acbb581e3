/** Every page there is, by name and address; ids: {client, role} of the store it is opened on. */
export const addresses = (ids) => /** @type {[string, string][]} */ ([["dashboard", "/"], ["clients", "/clients"], ["client-new", "/clients?new=1"], ["client", `/clients/${ids.client}`], ["client-users", `/clients/${ids.client}/users`],
  ["profile", "/profile"], ["profile-password", "/profile/password"], ["profile-mfa", "/profile/mfa"], ["profile-sessions", "/profile/sessions"], ["profile-tokens", "/profile/tokens"],
  ["admin", "/admin"], ["users", "/admin/users"], ["user", "/admin/users/2"], ["roles", "/admin/roles"], ["matrix", "/admin/roles?view=matrix"], ["role", `/admin/roles/${ids.role}`],
  ["authorization", "/admin/authorization"], ["tiers", "/admin/classification-tiers"], ["general", "/admin/general"], ["email", "/admin/email"], ["authentication", "/admin/authentication"],
  ["slas", "/admin/slas"], ["sub-statuses", "/admin/sub-statuses"], ["retention", "/admin/retention"], ["help", "/help"], ["witnesses", "/admin/witnesses"], ["proofs", "/admin/proofs"], ["health", "/admin/health"],
  ["audit-log", "/admin/audit-log"], ["access", "/admin/access"], ["verify", "/admin/verify"], ["lost", "/no/such/page"]]);
