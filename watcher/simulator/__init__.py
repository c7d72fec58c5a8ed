# SPDX-License-Identifier: Apache-2.0
"""A cloud in one process: Keystone, Nova, Placement and a metric history over HTTP.

It stands in for the real services in the demo, in functional and fault tests and in benchmarks.
What it answers is checked against the real services, so that it may be believed.

    world       what the cloud is made of, as plain values
    generate    a world from a seed
    columns     a world as the core's Cluster and as arrays of loads (no HTTP)
    clock       how long things take
    scheduler   which hosts would accept a server
    migrations  moves and power changes, carried out lazily
    faults      what tests make go wrong
    web         requests, routes, answers
    keystone, nova, nova_actions, nova_views, placement, influx, influxql, series   the services
    server      all of it behind one port of 127.0.0.1
"""
