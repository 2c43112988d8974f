import { Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";
import { BrowserRouter, Route, Routes } from "react-router";

import { NotFound } from "./routes/not-found";
import { Shell } from "./shell/shell";
import { SignedIn } from "./signed-in";

const Agreements = lazy(() => import("./routes/agreements"));
const Bills = lazy(() => import("./routes/bills"));
const Community = lazy(() => import("./routes/community"));
const Forecasts = lazy(() => import("./routes/forecasts"));
const Home = lazy(() => import("./routes/home"));
const Login = lazy(() => import("./routes/login"));
const Methods = lazy(() => import("./routes/methods"));
const Plant = lazy(() => import("./routes/plant"));
const Trade = lazy(() => import("./routes/trade"));

export function Router() {
  return (
    <BrowserRouter>
      <Suspense fallback={<Skeleton height="100vh" radius={0} />}>
        <Routes>
          <Route path="/login" element={<Login />} />
          <Route element={<Shell />}>
            <Route index element={<Community />} />
            <Route element={<SignedIn />}>
              <Route path="/home" element={<Home />} />
              <Route path="/trade" element={<Trade />} />
              <Route path="/bills" element={<Bills />} />
              <Route path="/agreements" element={<Agreements />} />
              <Route path="/plant" element={<Plant />} />
              <Route path="/forecasts" element={<Forecasts />} />
              <Route path="/methods" element={<Methods />} />
            </Route>
            <Route path="*" element={<NotFound />} />
          </Route>
        </Routes>
      </Suspense>
    </BrowserRouter>
  );
}
