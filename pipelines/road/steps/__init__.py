"""What each stage does with the tables, a file a part of the road. Their order stands in `pipelines.road.stages`."""
