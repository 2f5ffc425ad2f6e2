"""ECharts options, made from plain values; every chart keeps to a fixed number of points."""
