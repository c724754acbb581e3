// Entry: providers, routes, and the gate before them (set-up, sign-in).
import "@mantine/core/styles.css";
import "@mantine/dates/styles.css";
import "./app.css";
import { CloseButton, createTheme, Drawer, MantineProvider, Menu, Modal, PasswordInput, Portal, Select, TextInput, Tooltip } from "@mantine/core";
import { QueryClient, QueryClientProvider, useQuery, useQueryClient } from "@tanstack/react-query";
import { IconEye, IconEyeOff, IconX } from "@tabler/icons-react";
import { lazy, StrictMode, Suspense, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter, Navigate, Outlet, RouterProvider, useLocation } from "react-router";
import { ApiError, api } from "./api";
import { Frame } from "./frame";
import { AdminDashboard } from "./pages/admin";
import { ForgotPage, Gate, PasswordLinkPage, SetupPage, SignInPage } from "./pages/gate";
import { Dashboard } from "./pages/dashboard";
import { ClientPage, ClientsPage } from "./pages/clients";
import { Profile } from "./pages/profile";
import { SessionProvider, useSessionQuery } from "./session";
import { Empty, Failed, Page, Skeleton } from "./ui/basics";
import { keepFocus } from "./ui/focus";
import { useMantineColorScheme } from "@mantine/core";

const AuditPage = lazy(() => import("./pages/audit").then((m) => ({ default: m.AuditPage })));
const AccessPage = lazy(() => import("./pages/access").then((m) => ({ default: m.AccessPage })));
const EventPage = lazy(() => import("./pages/audit").then((m) => ({ default: m.EventPage })));
const UsersPage = lazy(() => import("./pages/users").then((m) => ({ default: m.UsersPage })));
const RolesPage = lazy(() => import("./pages/roles").then((m) => ({ default: m.RolesPage })));
const RolePage = lazy(() => import("./pages/roles").then((m) => ({ default: m.RolePage })));
const AuthorizationPage = lazy(() => import("./pages/authorization").then((m) => ({ default: m.AuthorizationPage })));
const TiersPage = lazy(() => import("./pages/tiers").then((m) => ({ default: m.TiersPage })));
const SlasPage = lazy(() => import("./pages/slas").then((m) => ({ default: m.SlasPage })));
const SubstatusesPage = lazy(() => import("./pages/substatuses").then((m) => ({ default: m.SubstatusesPage })));
const SettingsPage = lazy(() => import("./pages/settings").then((m) => ({ default: m.SettingsPage })));
const RetentionPage = lazy(() => import("./pages/retention").then((m) => ({ default: m.RetentionPage })));
const VerifyPage = lazy(() => import("./pages/memory").then((m) => ({ default: m.VerifyPage })));
const WitnessesPage = lazy(() => import("./pages/witnesses").then((m) => ({ default: m.WitnessesPage })));
const HelpPage = lazy(() => import("./pages/help").then((m) => ({ default: m.HelpPage })));
const HealthPage = lazy(() => import("./pages/settings").then((m) => ({ default: m.HealthPage })));

// The content policy allows no <style> element: no scroll lock by one (app.css does it), no generated variables.
const theme = createTheme({
  cursorType: "pointer",
  components: {
    Modal: Modal.extend({ defaultProps: { lockScroll: false, transitionProps: { duration: 120 }, overlayProps: { backgroundOpacity: 0.4 }, closeButtonProps: { "aria-label": "Close" } } }),
    Drawer: Drawer.extend({ defaultProps: { lockScroll: false, position: "right", transitionProps: { duration: 140 }, overlayProps: { backgroundOpacity: 0.35 }, closeButtonProps: { "aria-label": "Close" } } }),
    Portal: Portal.extend({ defaultProps: { target: "#layers" } }),
    Menu: Menu.extend({ defaultProps: { withInitialFocusPlaceholder: false, transitionProps: { duration: 80 }, shadow: "md" } }),
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 350, withArrow: false } }),
    Select: Select.extend({ defaultProps: { allowDeselect: false, checkIconPosition: "right" } }),
    TextInput: TextInput.extend({ defaultProps: { spellCheck: false } }),
    PasswordInput: PasswordInput.extend({ defaultProps: { visibilityToggleButtonProps: { "aria-label": "Show password" }, visibilityToggleIcon: ({ reveal }) => (reveal ? <IconEyeOff size={15} aria-hidden /> : <IconEye size={15} aria-hidden />) } }),
    // Mantine's own pictures say nothing to who hears the page, and do not say so themselves.
    CloseButton: CloseButton.extend({ defaultProps: { icon: <IconX size={16} aria-hidden /> } }),
    ComboboxChevron: { defaultProps: { "aria-hidden": true } },
  },
});
const client = new QueryClient({ defaultOptions: { queries: { retry: (n, e) => (!(e instanceof ApiError) || e.status === 0 || e.status >= 500) && n < 2, staleTime: 5_000, refetchOnWindowFocus: false } } });

/** What index.html draws before this script is there, until one knows who is signed in; nothing for whoever was not (public/theme.js). */
const Shell = () => <><div role="status" aria-label="Loading" /><div className="frame shell" aria-hidden><div className="nav"><div className="brand"><img src="/favicon.svg" alt="" /><span>Recount</span></div></div><div className="top" /><div className="main" /></div></>;
/** Nobody passes without a session; the address is kept. */
function Inside() {
  const q = useSessionQuery(), cache = useQueryClient(), where = useLocation(), { setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  const setup = useQuery({ queryKey: ["setup"], enabled: q.data === null, queryFn: () => api<{ needed: boolean }>("GET", "/api/v2/setup", undefined, { quiet: true }).catch(() => ({ needed: false })) });
  const wish = q.data?.user.theme;
  const inside = q.data === undefined ? undefined : q.data !== null;
  useEffect(() => { if (inside !== undefined) try { localStorage.setItem("recount-inside", inside ? "yes" : "no"); } catch { /* storage refused */ } }, [inside]);
  useEffect(() => { if (wish === "light" || wish === "dark" || wish === "auto") setColorScheme(wish); }, [wish, setColorScheme]);
  if (q.error) return <Gate><div className="panel"><Failed error={q.error} again={() => void q.refetch()} /></div></Gate>;
  if (q.data === undefined || (q.data === null && setup.isPending)) return <Shell />;
  if (q.data === null) return setup.data?.needed ? <Navigate to="/setup" replace /> : <SignInPage done={async () => { await cache.invalidateQueries({ queryKey: ["session"] }); }} />;
  if (q.data.must_enroll_mfa && where.pathname !== "/profile/mfa") return <SessionProvider session={q.data}><Navigate to="/profile/mfa" replace /></SessionProvider>;
  return <SessionProvider session={q.data}><Outlet /></SessionProvider>;
}
const Lost = () => <Page title="Page not found"><div className="panel"><Empty title="There is nothing at this address" text={<a href="/">Go to the dashboard</a>} /></div></Page>;
const wait = (e: React.ReactNode) => <Suspense fallback={<div className="page"><Skeleton /></div>}>{e}</Suspense>;

const router = createBrowserRouter([
  { path: "/setup", element: <SetupPage /> }, { path: "/forgot", element: <ForgotPage /> }, { path: "/password", element: <PasswordLinkPage /> }, { path: "/password/:token", element: <PasswordLinkPage /> },
  { element: <Inside />, children: [{ element: <Frame />, children: [
    { path: "/", element: <Dashboard /> }, { path: "/clients", element: <ClientsPage /> }, { path: "/clients/:id", element: <ClientPage /> }, { path: "/clients/:id/:tab", element: <ClientPage /> },
    { path: "/profile", element: <Profile /> }, { path: "/profile/:tab", element: <Profile /> },
    { path: "/admin", element: <AdminDashboard /> }, { path: "/admin/users", element: wait(<UsersPage />) }, { path: "/admin/users/:id", element: wait(<UsersPage />) },
    { path: "/admin/roles", element: wait(<RolesPage />) }, { path: "/admin/roles/:id", element: wait(<RolePage />) },
    { path: "/admin/authorization", element: wait(<AuthorizationPage />) }, { path: "/admin/classification-tiers", element: wait(<TiersPage />) },
    { path: "/admin/general", element: wait(<SettingsPage kind="general" />) }, { path: "/admin/email", element: wait(<SettingsPage kind="email" />) }, { path: "/admin/authentication", element: wait(<SettingsPage kind="authentication" />) }, { path: "/admin/retention", element: wait(<RetentionPage />) }, { path: "/admin/witnesses", element: wait(<WitnessesPage />) }, { path: "/admin/proofs", element: wait(<SettingsPage kind="proofs" />) }, { path: "/admin/audit-settings", element: <Navigate to="/admin/retention" replace /> }, { path: "/admin/health", element: wait(<HealthPage />) },
    { path: "/admin/slas", element: wait(<SlasPage />) }, { path: "/admin/sub-statuses", element: wait(<SubstatusesPage />) },
    { path: "/admin/access", element: wait(<AccessPage />) }, { path: "/admin/verify", element: wait(<VerifyPage />) },
    { path: "/admin/audit-log", element: wait(<AuditPage />) }, { path: "/admin/audit-log/:cuid", element: wait(<EventPage />) },
    { path: "/help", element: wait(<HelpPage />) },
    { path: "*", element: <Lost /> },
  ] }] },
]);

keepFocus();
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
      <QueryClientProvider client={client}><RouterProvider router={router} /></QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
